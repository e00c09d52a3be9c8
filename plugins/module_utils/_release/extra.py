# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Repositories and keys a site adds to a release: EPEL, trust anchors, a review repository, its own signing key."""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_FINGERPRINT = re.compile(r"([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})\Z")
_OWN = {
    "deb": ("uris", "suite", "components", "origin", "label", "architectures"),
    "rpm": ("baseurl", "signed_metadata", "excludes"),
}
_NEEDED = {"deb": ("uris", "suite", "components"), "rpm": ("baseurl",)}
_BOTH = (
    "name", "kind", "description", "keys", "enabled", "opt_in", "band", "priority", "proxy", "client_certificate",
    "client_key", "ca_certificate",
)


def checked_extras(extras: t.Any, family: str, taken: t.AbstractSet[str], action: str) -> t.List[t.Dict[str, t.Any]]:
    """Return copies of a site's own repositories after a look at their shape.

    family: deb or rpm, which all of them must be. taken: names already in the set. Raises Failure.
    """
    if not extras:
        return []
    if not isinstance(extras, (list, tuple)):
        raise Failure(action, "extra is not a list", "Pass a list of repositories")
    names = set(taken)
    result = []
    for index, extra in enumerate(extras):
        entry = _checked(extra, family, f"extra[{index}]", action)
        if entry["name"] in names:
            raise Failure(action, f"two repositories are called '{entry['name']}'", f"Rename extra[{index}]")
        names.add(entry["name"])
        result.append(entry)
    return result


def checked_keys(keys: t.Any, action: str, place: str) -> t.List[t.Dict[str, t.Any]]:
    """Return keys as a list of maps, each with a full fingerprint and one of url, file, content. Raises Failure."""
    entries = [keys] if isinstance(keys, dict) else keys
    remedy = "Give fingerprint (40 or 64 hexadecimal digits) and one of url, file, content"
    if not isinstance(entries, (list, tuple)) or not entries:
        raise Failure(action, f"{place} is not a list of keys", remedy)
    for index, key in enumerate(entries):
        if not isinstance(key, dict):
            raise Failure(action, f"{place}[{index}] is not a map", remedy)
        strange = [name for name in key if name not in ("fingerprint", "url", "file", "content")]
        if strange:
            raise Failure(action, f"{place}[{index}] has the unknown key '{strange[0]}'", remedy)
        fingerprint = key.get("fingerprint")
        if not isinstance(fingerprint, str) or not _FINGERPRINT.match(fingerprint):
            raise Failure(action, f"{place}[{index}].fingerprint is not a full fingerprint", remedy)
        if len([name for name in ("url", "file", "content") if key.get(name)]) != 1:
            raise Failure(action, f"{place}[{index}] needs exactly one of url, file and content", remedy)
    return [dict(key) for key in entries]


def _checked(extra: t.Any, family: str, place: str, action: str) -> t.Dict[str, t.Any]:
    if not isinstance(extra, dict):
        raise Failure(action, f"{place} is not a map", "Give name, band, keys and where the repository is")
    other = "rpm" if family == "deb" else "deb"
    for field in extra:
        if field in _OWN[other] and field not in _OWN[family]:
            raise Failure(action, f"{place} is {other} (it has {field}), and the host takes {family}",
                          f"Pass {family} repositories to {family} hosts, for example from group_vars")
        if field not in _BOTH + _OWN[family]:
            near = difflib.get_close_matches(str(field), _BOTH + _OWN[family], n=1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            raise Failure(action, f"{place} has the unknown key '{field}'{hint}", "Correct the key")
    if not isinstance(extra.get("name"), str) or not _NAME.match(extra["name"]):
        raise Failure(action, f"{place}.name is not made of lower-case letters, digits and hyphens", "Correct the name")
    if extra.get("band") not in BANDS:
        raise Failure(action, f"{place} ('{extra['name']}') names no band", f"Set band to one of {', '.join(BANDS)}")
    for field in _NEEDED[family]:
        if not extra.get(field):
            raise Failure(action, f"{place} ('{extra['name']}') has no {field}", f"Set {field}")
    entry = {"enabled": True, "opt_in": False, **extra}
    entry["keys"] = checked_keys(extra.get("keys"), action, f"{place}.keys")
    if family == "deb" and not (entry.get("origin") or entry.get("label")):
        raise Failure(action, f"{place} ('{extra['name']}') has neither origin nor label",
                      "State what its Release file says; the pin matches it besides the suite")
    for field in ("uris", "components", "baseurl"):
        if isinstance(entry.get(field), str):
            entry[field] = [entry[field]]
    return entry
