# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The review of a hold: whether what the base offers by now is good again."""

from __future__ import annotations

import datetime
import os
import subprocess
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold import Hold
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold_record import Record, Verdict, Versions

_TAIL = 2000  # characters of a test's output that are kept

Tester = t.Callable[[Hold, Versions], t.Tuple[str, str]]
"""Hold, what the base offers -> pass, fail or inconclusive, and the end of what the test said."""


class Review(t.NamedTuple):
    """hold: its name. lifts: it is not needed any more. why: for people. alarm: somebody has to act."""

    hold: str
    lifts: bool
    why: str
    alarm: bool = False


def review(record: Record, offered: t.Mapping[str, t.Mapping[str, t.Optional[str]]], formats: t.Mapping[str, str], day: datetime.date,
           said: t.Optional[t.Tuple[str, str]], tester: t.Optional[Tester]) -> t.Tuple[Review, Record]:
    """What becomes of a hold, and its record with what was found. offered: the newest versions of the base, None for a
    package it has no more; said: a verdict that somebody gives; tester: None if no test may run now."""
    hold, versions = record.hold, {}
    for platform, packages in offered.items():
        for package, version in packages.items():
            if version is None:
                return Review(hold.name, False, f"the base of {platform} has no {package} any more", True), record
            if hold.is_bad(formats[platform], version):
                return Review(hold.name, False, f"the base of {platform} offers {package} {version}, which is bad"), record
        versions[platform] = {package: str(version) for package, version in packages.items()}
    told = ", ".join(f"{package} {version} on {platform}" for platform, packages in versions.items() for package, version in packages.items())
    known = next((one for one in reversed(record.verdicts) if one.versions == versions), None)
    if said is None and known is None:
        if not hold.test:
            return Review(hold.name, False, f"the base offers {told}; the hold has no test: give a verdict", True), record
        if tester is None:
            return Review(hold.name, False, f"the base offers {told}; the test would run"), record
        said = tester(hold, versions)
        if said[0] == "inconclusive":
            return Review(hold.name, False, f"the test of {told} came to no verdict: {said[1]}", True), record
    if said is not None:
        known = Verdict(versions, said[0], str(day), said[1])
        if not any(one._replace(day=known.day) == known for one in record.verdicts):
            record = record._replace(verdicts=(*record.verdicts, known))
    verdict, text = (known.verdict, known.text) if known else ("fail", "")
    if verdict == "pass":
        return Review(hold.name, True, f"the base offers {told}, and the test passed"), record
    return Review(hold.name, False, f"the base offers {told}, and the test failed: {text}", True), record


def run_test(hold: Hold, versions: Versions, seconds: int) -> t.Tuple[str, str]:
    """Run a hold's own test once for each platform, until one does not pass.

    It finds in its environment CMD_HOLD, CMD_PLATFORM and CMD_PACKAGES (package=version, by blanks).
    """
    text = ""
    for platform, packages in versions.items():
        told = " ".join(f"{package}={version}" for package, version in packages.items())
        environment = {**os.environ, "CMD_HOLD": hold.name, "CMD_PLATFORM": platform, "CMD_PACKAGES": told}
        try:
            done = subprocess.run(hold.test, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return "inconclusive", f"on {platform} it did not end within {seconds} seconds"
        except OSError as error:
            return "inconclusive", f"{hold.test[0]}: {error.strerror or error}"
        text = done.stdout.decode(errors="replace")[-_TAIL:].strip()
        if done.returncode:
            return "fail", f"on {platform} it ended with {done.returncode}: {text}"
    return "pass", text
