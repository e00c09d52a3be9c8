# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""From the guest's report to checks, and from checks to a verdict. Pure."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import boot_probe
from ansible_collections.egi.cmd.plugins.module_utils._image.boot_request import DATASOURCES, Boot

Report = t.Mapping[str, str]
# A root file system's own tables, the ESP and its like take this much of a disk.
_SHARE, _MANY = 0.8, 5


class Check(t.NamedTuple):
    """One thing that was looked at. name: stable; reason: of the verdict, when it is not ok."""

    name: str
    ok: bool
    detail: str
    reason: str = "check-failed"


def checks(boot: Boot, report: Report, hostname: str, disk: int, powered_off: bool) -> t.List[Check]:
    """Everything that can be said of a guest that reported. hostname: what it was told; disk: bytes of its disk."""
    found = [*_configuration(boot, report), _same("hostname", report.get("hostname", "").partition(".")[0], hostname)]
    if boot.expect.grows:
        found.append(_grown(report, disk))
    if boot.expect.packages is not None:
        found.append(_packages(boot.expect.packages, boot_probe.packages(report.get("packages", ""))))
    found += [_repository(name, uri, report.get("sources", "")) for name, uri in boot.expect.repositories]
    if boot.mirror:
        status, said = boot_probe.exit_status(report.get("update", ""))
        found.append(Check("update", status == 0, f"exit status {status}: {said[-300:]}"))
    found += [_priority(name, number, report.get("policy", "")) for name, number in boot.expect.priorities]
    found += _installed(boot, report)
    found.append(Check("power-off", powered_off, "it powered itself off" if powered_off else "it did not power itself off"))
    return found


def verdict(found: t.Sequence[Check]) -> t.Tuple[str, str, str]:
    """Verdict, reason and a sentence."""
    bad = [check for check in found if not check.ok]
    if not bad:
        return "pass", "booted", f"All {len(found)} checks passed."
    # Checks are in the order in which one explains the next.
    more = f" {len(bad) - 1} more checks failed." if len(bad) > 1 else ""
    return "fail", bad[0].reason, f"{bad[0].name}: {bad[0].detail}.{more}"


def _configuration(boot: Boot, report: Report) -> t.Iterator[Check]:
    """What cloud-init says of itself. A failed module is only here: the console says finished all the same."""
    result, status = (_cloud_init(report.get(name, "")) for name in ("result", "status"))
    source = str(result.get("datasource") or "none")
    wanted = DATASOURCES[boot.transport]
    reason = "no-datasource" if source in ("none", "DataSourceNone") else "wrong-datasource"
    # The seed's label or path follows in words of its own: "DataSourceNoCloud [seed=/dev/sr0][dsmode=net]"; local variants have a suffix.
    yield Check("datasource", bool(re.match(rf"{wanted}(Net|Local)?\b", source)), f"{source}, wanted {wanted}", reason)
    errors = [*(result.get("errors") or [])]
    for stage in ("init-local", "init", "modules-config", "modules-final"):
        told = status.get(stage) or {}
        errors += [f"{stage}: {error}" for error in told.get("errors") or [] if error not in errors]
        recoverable = told.get("recoverable_errors") or {}
        errors += [f"{stage}: {error}" for level in ("ERROR", "CRITICAL") for error in recoverable.get(level) or []]
    if not result:
        errors.append("there is no result.json")
    yield Check("cloud-init", not errors, "; ".join(map(str, errors))[:600] or "no module failed", "config-error")


def _cloud_init(text: str) -> t.Dict[str, t.Any]:
    try:
        told = json.loads(text)["v1"]
    except (ValueError, KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}


def _same(name: str, found: str, wanted: str) -> Check:
    return Check(name, found == wanted, f"{found!r}, wanted {wanted!r}" if found != wanted else found)


def _grown(report: Report, disk: int) -> Check:
    text = report.get("root", "").strip()
    size = int(text) * 1024 if text.isdigit() else 0
    return Check("root-grown", size >= disk * _SHARE, f"the root file system has {size >> 20} MiB of the disk's {disk >> 20}")


def _packages(wanted: t.Sequence[boot_probe.Package], found: t.Sequence[boot_probe.Package]) -> Check:
    missing, more = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    rows = [f"missing {' '.join(one)}" for one in missing[:_MANY]] + [f"not expected {' '.join(one)}" for one in more[:_MANY]]
    return Check("packages", not rows, f"{len(missing)} missing, {len(more)} not expected: {'; '.join(rows)}" if rows else f"{len(found)} as expected")


def _repository(name: str, uri: str, sources: str) -> Check:
    """Whether a sources file of repository_set has the repository, enabled."""
    stanzas = re.split(r"\n\s*\n|\n(?=\[)", sources)
    for stanza in stanzas:
        named = re.search(r"^# Repository: (\S+)$|^\[(\S+)\]$", stanza, re.MULTILINE)
        enabled = not re.search(r"^(Enabled: no|enabled ?= ?0)\b", stanza, re.MULTILINE)
        uris = [word.rstrip("/") for word in re.findall(r"[a-z]+://\S+", stanza)]
        if uri in uris and enabled and (not named or not name or name in named.groups()):
            return Check(f"repository {name or uri}", True, uri)
    return Check(f"repository {name or uri}", False, f"no enabled source has {uri} under that name")


def _priority(name: str, wanted: int, policy: str) -> Check:
    version, table = boot_probe.candidate(policy, name)
    found = table.get(version)
    return Check(f"priority {name}", found == wanted, f"apt gives {version or 'no version'} {found}, wanted {wanted}")


def _installed(boot: Boot, report: Report) -> t.Iterator[Check]:
    if not boot.expect.install:
        return
    status, said = boot_probe.exit_status(report.get("install", ""))
    there = {one.name: one.version for one in boot_probe.packages(report.get("installed", ""))}
    for name in boot.expect.install:
        ok = status == 0 and name in there
        yield Check(f"install {name}", ok, there[name] if ok else f"exit status {status}: {said[-300:]}")
