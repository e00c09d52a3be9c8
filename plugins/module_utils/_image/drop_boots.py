# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which boots a drop needs, and which it has. Pure."""

from __future__ import annotations

import typing as t

Json = t.Dict[str, t.Any]
_WHO = {"no-datasource": "the testers", "wrong-datasource": "the testers", "tester-error": "the testers", "timeout": "the testers"}
_BUILDERS, _TESTERS = "the image builders", "the testers"


class Boot(t.NamedTuple):
    """A way to boot that is asked for. variants: the variants it is asked of, empty for all."""

    firmware: str
    transport: str
    variants: t.Tuple[str, ...] = ()


class Excuse(t.NamedTuple):
    """What keeps a drop from being blessed. what: the condition; why: what shows that it is not met; who has to act."""

    what: str
    why: str
    who: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; to act: {self.who}"


def name_of(image: Json) -> str:
    """How an image is called among those of a drop."""
    return f"{image['name']}-{image['variant']}-{image['architecture']}"


def asked(image: Json, boots: t.Sequence[Boot]) -> t.List[Boot]:
    """The boots asked of an image: a disk boots with the firmware it says it has, a container root with none."""
    firmware = image["disk"]["boot"] if image["disk"] else ()
    return [boot for boot in boots if boot.firmware in firmware and (not boot.variants or image["variant"] in boot.variants)]


def is_about(verdict: Json, image: Json) -> bool:
    """Whether a verdict is about these bytes: the disk, or a file made of it."""
    digests = {file["sha256"] for file in image["files"]}
    disk = image["disk"]["sha256"] if image["disk"] else None
    return verdict["image"]["sha256"] in digests or (disk is not None and verdict["disk_sha256"] == disk)


def arranged(verdicts: t.Iterable[Json]) -> t.Tuple[Json, ...]:
    """Verdicts in the order they were given; of the same second the worse is last, for the last one counts."""
    return tuple(sorted(verdicts, key=lambda one: (one["time"], one["verdict"] == "fail", one["image"]["name"], one["firmware"], one["transport"])))


def excuses(images: t.Sequence[Json], verdicts: t.Sequence[Json], boots: t.Sequence[Boot]) -> t.List[Excuse]:
    """What is missing, image by image. The newest verdict counts; one that says nothing of the image does not."""
    found = []
    for image in images:
        wanted = asked(image, boots)
        if image["disk"] and not wanted:
            found.append(Excuse(f"{name_of(image)} boots", "no required boot applies to it", "the release manager"))
        found += [excuse for boot in wanted for excuse in _missing(image, boot, verdicts)]
    return found


def _missing(image: Json, boot: Boot, verdicts: t.Sequence[Json]) -> t.List[Excuse]:
    what = f"{name_of(image)} boots with {boot.firmware} and {boot.transport}"
    told = [one for one in verdicts if is_about(one, image) and (one["firmware"], one["transport"]) == (boot.firmware, boot.transport)]
    clear = [one for one in arranged(told) if one["verdict"] != "inconclusive"]
    if clear and clear[-1]["verdict"] == "pass":
        return []
    if clear:
        return [Excuse(what, f"failed, {clear[-1]['reason']}: {clear[-1]['why']}", _WHO.get(clear[-1]["reason"], _BUILDERS))]
    if told:
        return [Excuse(what, f"no clear answer, {arranged(told)[-1]['reason']}: {arranged(told)[-1]['why']}", _TESTERS)]
    return [Excuse(what, "there is no report", _TESTERS)]
