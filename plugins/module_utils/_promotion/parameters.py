# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Options that the modules of a desk share: how they are declared, and what they mean."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import Policy
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Signing
from ansible_collections.egi.cmd.plugins.module_utils._promotion import indices
from ansible_collections.egi.cmd.plugins.module_utils._promotion.change import Setting
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Terms
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import Manifest, architectures_of, kinds, places
from ansible_collections.egi.cmd.plugins.module_utils._release import publishing, routing
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of, milestones
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import windows

_OTHERS = {"platform": {"type": "str", "required": True}, "paths": {"type": "list", "elements": "path", "required": True}}
ARGUMENTS: t.Dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "release": {"type": "dict", "required": True},
    "mirror_root": {"type": "path", "required": True},
    "base": {"type": "list", "elements": "dict", "default": [], "options": {**_OTHERS, "security": {"type": "bool", "default": False}}},
    "previous": {"type": "list", "elements": "dict", "default": [], "options": _OTHERS},
    "gates": {
        "type": "dict",
        "apply_defaults": True,
        "options": {
            "adopters": {"type": "int", "default": 2},
            "verification": {"type": "bool", "default": True},
            "version_scheme": {"type": "str", "choices": ["mos", "none"], "default": "mos"},
            "metadata": {
                "type": "dict",
                "options": {
                    "series": {"type": "str", "required": True},
                    "organisation": {"type": "str", "required": True},
                    "maintainer": {"type": "str", "required": True},
                    "backports": {"type": "list", "elements": "str", "default": []},
                },
            },
            "products": {"type": "list", "elements": "dict", "default": []},
            "product_waivers": {"type": "list", "elements": "dict", "default": []},
        },
    },
    "day": {"type": "str"},
}
"""Argument spec of the options in the doc fragment egi.cmd.promotion."""


def setting(parameters: t.Mapping[str, t.Any], judging: bool) -> Setting:
    """What a batch is judged by. judging: read base and previous; otherwise they are not needed. Raises Failure."""
    release = manifest_of(parameters["release"])
    day = day_of(parameters["day"], "judge a batch") if parameters["day"] else datetime.date.today()
    base, previous = (_repositories(release, parameters[role]) if judging else () for role in ("base", "previous"))
    return Setting(release, day, _terms(parameters["gates"]), base, previous)


def signing_of(parameters: t.Mapping[str, t.Any]) -> Signing:
    """Who signs: options key_home and signing_keys. Raises Failure."""
    keys = tuple(key.replace(" ", "").upper() for key in parameters["signing_keys"])
    for key in keys:
        if not signing.FINGERPRINT.fullmatch(key):
            raise Failure(f"sign with key {key!r}", "it is no full fingerprint", "Write all 40 hexadecimal digits")
    if not keys:
        raise Failure("sign repositories", "signing_keys is empty", "Name a key; egi.cmd.repository_key makes one")
    return Signing(parameters["key_home"], keys)


def require_own(path: str) -> None:
    """Raise Failure when another user owns what is there: files of ours would lock them out."""
    if os.path.exists(path) and os.stat(path).st_uid != os.geteuid():
        raise Failure(f"work in {path}", f"it belongs to user {os.stat(path).st_uid}, this is user {os.geteuid()}",
                      "Run as that user (become_user), or give the desk a mirror root of its own")


def manifest_of(data: t.Mapping[str, t.Any]) -> Manifest:
    """A manifest comes checked from the lookup; here it is made sure that it did, where no library can check it again."""
    try:
        places(data)
        milestones(data)
        windows(data)
        publishing.kinds_of(data)
        if not all(isinstance(data[field], str) for field in ("name", "version")) or not all(kinds(data, platform) for platform in data["platforms"]):
            raise TypeError("name, version or kinds")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise Failure("read option release", f"it is no checked release manifest ({type(error).__name__}: {error})",
                      "Give it as: \"{{ lookup('egi.cmd.release', 'release.yml') }}\"") from error
    return data


def _repositories(release: Manifest, declared: t.Sequence[t.Mapping[str, t.Any]]) -> t.Tuple[Repository, ...]:
    found = []
    for one in declared:
        platform = one["platform"]
        if platform not in release["platforms"]:
            raise Failure("read a base repository", f"the release has no platform {platform!r}{near_miss(platform, release['platforms'])}",
                          f"Name one of {', '.join(release['platforms'])}")
        form = release["platforms"][platform]["format"]
        found.append(indices.repository(platform, form, architectures_of(release, platform), one["paths"], one.get("security", False)))
    return tuple(found)


def _terms(gates: t.Mapping[str, t.Any]) -> Terms:
    if gates["adopters"] < 0:
        raise Failure("read gates.adopters", f"{gates['adopters']} is no number of people", "Give 0 or more")
    told = gates["metadata"]
    empty = [name for name in ("series", "organisation", "maintainer") if told and not told[name].strip()]
    if empty:
        raise Failure("read gates.metadata", f"{', '.join(empty)} is empty, which every package names", "Say what packages have to name")
    # The grammar of versions has a gate of its own, which knows more than a file alone says.
    metadata = Policy(told["series"], told["organisation"], told["maintainer"], tuple(told["backports"]), mos_versions=False) if told else None
    products = routing.products_from(gates["products"], "read gates.products")
    waivers = routing.waivers_from(gates["product_waivers"], "read gates.product_waivers")
    return Terms(gates["adopters"], gates["verification"], gates["version_scheme"] == "mos", metadata, tuple(products), tuple(waivers))
