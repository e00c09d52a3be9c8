# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Repositories and keys a site adds to a release: EPEL, trust anchors, a review repository, its own signing key.

Only what resolving needs is checked here; the host checks every field of every repository before it uses one.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS

_FINGERPRINT = re.compile(r"([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})\Z")
_KEY_SOURCES = ("url", "file", "content")
_ONLY = {"deb": ("uris", "suite", "components", "origin", "label"), "rpm": ("baseurl", "signed_metadata", "excludes")}


def checked_extras(extras: t.Any, family: str, taken: t.AbstractSet[str], action: str) -> t.List[t.Dict[str, t.Any]]:
    """Return copies of a site's own repositories, all of one family and each with a name and a rank of its own.

    family: deb or rpm. taken: names already in the set. Raises Failure.
    """
    if not isinstance(extras or [], (list, tuple)):
        raise Failure(action, "extra is not a list", "Pass a list of repositories")
    names = set(taken)
    result = []
    for index, extra in enumerate(extras or []):
        place = f"extra[{index}]"
        if not isinstance(extra, dict) or not isinstance(extra.get("name"), str):
            raise Failure(action, f"{place} is not a map with a name", "Give name, band, keys and the repository's place")
        place = f"{place} ({extra['name']})"
        if extra["name"] in names:
            raise Failure(action, f"{place} has the name of another repository of the set", "Rename it")
        names.add(extra["name"])
        if extra.get("band") not in BANDS and not (extra.get("band") is None and extra.get("kind") in KINDS):
            raise Failure(action, f"{place} names no band", f"Set band to one of {', '.join(BANDS)}")
        other = "rpm" if family == "deb" else "deb"
        strange = [field for field in _ONLY[other] if field in extra]
        if strange:
            raise Failure(action, f"{place} has {strange[0]}, so it is for {other}, and the host takes {family}",
                          f"Pass only {family} repositories to this host, for example by its group variables")
        result.append({"enabled": True, "opt_in": False, **extra})
    return result


def hold_excludes(holds: t.Any, platform: str, action: str) -> t.List[str]:
    """Return the builds that hosts of a platform must not take from the base distribution, of what egi.cmd.holdback returns
    as repository_holds. Raises Failure.
    """
    remedy = "Pass repository_holds of egi.cmd.holdback or egi.cmd.holdback_info"
    if not isinstance(holds or [], (list, tuple)):
        raise Failure(action, "holds is not a list", remedy)
    found: t.List[str] = []
    for index, hold in enumerate(holds or []):
        if not isinstance(hold, dict) or not isinstance(hold.get("platform"), str) or not isinstance(hold.get("excludes"), (list, tuple)):
            raise Failure(action, f"holds[{index}] is not a map with a platform and excludes", remedy)
        found += hold["excludes"] if hold["platform"] == platform else []
    return found


def checked_keys(keys: t.Any, action: str) -> t.List[t.Dict[str, t.Any]]:
    """Return the keys a site uses instead of a manifest's, under the manifest's own rule: each has its full
    fingerprint and exactly one of url, file and content. Raises Failure.
    """
    entries = [keys] if isinstance(keys, dict) else keys
    remedy = "Give each key its fingerprint (40 or 64 hexadecimal digits) and one of url, file and content"
    if not isinstance(entries, (list, tuple)):
        raise Failure(action, "keys is not a list of keys", remedy)
    for index, key in enumerate(entries):
        if not isinstance(key, dict) or not _FINGERPRINT.match(str(key.get("fingerprint", ""))):
            raise Failure(action, f"keys[{index}] has no full fingerprint", remedy)
        if len([source for source in _KEY_SOURCES if key.get(source)]) != 1:
            raise Failure(action, f"keys[{index}] does not have exactly one of url, file and content", remedy)
    return [dict(key) for key in entries]
