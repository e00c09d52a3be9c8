# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a mirror's role is told, releases and sets, as the configuration of cmd-mirror and the keyrings it names."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration
from ansible_collections.egi.cmd.plugins.module_utils._release import layout
from ansible_collections.egi.cmd.plugins.module_utils._release.facts import ARCHITECTURES
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve

Data = t.Dict[str, t.Any]
_TRANSPORT = ("proxy", "client_certificate", "client_key", "ca_certificate")
_KEY = "Give fingerprint, and one of url, file and content"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le"}  # Debian's word to the machine's, where they differ


class Choice(t.NamedTuple):
    """What of a release is mirrored. Empty: all the manifest has; of architectures x86_64 alone."""

    platforms: t.Sequence[str] = ()
    kinds: t.Sequence[str] = ()
    architectures: t.Sequence[str] = ()
    keys: t.Sequence[Data] = ()


def sources(manifest: t.Mapping[str, t.Any], choice: Choice) -> t.List[Data]:
    """Return the sources of a release, each with ``keys`` in place of a keyring.

    manifest: checked. architectures in either family's words. Suites of one deb archive are one source, because they
    share its pool; every rpm repository is one. Raises Failure, as resolve does, where the manifest lacks something.
    """
    found: t.Dict[t.Tuple[str, ...], Data] = {}
    for platform in choice.platforms or manifest["platforms"]:
        for architecture in choice.architectures or ("x86_64",):
            for repository in _resolved(manifest, platform, architecture, choice):
                if "suite" in repository:
                    _add_suite(found, repository)
                else:
                    _add_repository(found, repository)
    if not found:
        raise Failure(f"mirror release {manifest['name']}", "nothing of it was chosen", "Choose other platforms, kinds or architectures")
    return list(found.values())


def told(sets: t.Mapping[str, Data], settings: t.Mapping[str, t.Any], keyrings: str, signing: t.Optional[Data] = None) -> Data:
    """Return ``configuration``, what cmd-mirror reads, and ``keyrings``, a list of path and keys.

    sets: as the configuration has them, but a source may have ``keys`` (each with a fingerprint) in place of a keyring.
    settings: the configuration without its sets. keyrings: the directory for keyrings. signing: of sets that have
    something to sign and do not say who does. Raises Failure naming each
    wrong place, so that a mistake ends a play before it changes a host.
    """
    rings: t.Dict[str, Data] = {}
    plain = {}
    for name, entry in sets.items():
        if isinstance(entry, dict) and isinstance(entry.get("sources"), list):
            place = f"sets.{name}.sources"
            entry = {**entry, "sources": [_with_keyring(source, f"{place}[{index}]", rings, keyrings) for index, source in enumerate(entry["sources"])]}
            if signing and "signing" not in entry and any(isinstance(source, dict) and source.get("mode") == "rebuilt" for source in entry["sources"]):
                entry["signing"] = signing
        plain[name] = entry
    data = {**settings, "sets": plain}
    found = configuration.problems(data)
    if found:
        raise Failure("make the mirror's configuration", "; ".join(map(str, found)), "Correct the role's variables")
    return {"configuration": data, "keyrings": sorted(rings.values(), key=lambda ring: str(ring["path"]))}


def _resolved(manifest: t.Mapping[str, t.Any], platform: str, architecture: str, choice: Choice) -> t.Iterator[Data]:
    """The repositories one host of the platform would get, each with the name of its source and its architecture;
    none where the platform has not that architecture or none of those kinds."""
    action = f"mirror release {manifest['name']}"
    chosen = manifest["platforms"].get(platform)
    if chosen is None:
        raise Failure(action, f"there is no platform '{platform}'", f"It has {', '.join(manifest['platforms'])}")
    unknown = [kind for kind in choice.kinds if kind not in KINDS]
    if unknown:
        raise Failure(action, f"'{unknown[0]}' is no kind of repository", f"Choose of {', '.join(KINDS)}")
    machine = _MACHINES.get(architecture, architecture)
    word = ARCHITECTURES[chosen["format"]].get(machine, machine)
    described = layout.layout_for(manifest, platform)
    kinds = [kind for kind in described.get("kinds", ()) if kind in (choice.kinds or KINDS)]
    if word not in chosen.get("architectures", [word]) or not kinds:
        return
    # The platform is given, so of the facts only the machine decides anything.
    facts = {"distribution": platform, "distribution_version": chosen["version"], "architecture": machine}
    for repository in resolve(manifest, facts, Wishes(kinds=kinds, keys=list(choice.keys) or None, platform=platform))["repositories"]:
        if chosen["format"] == "deb":
            name = "deb" if _one_archive(manifest, platform) else f"{platform}-deb"
        else:
            name = f"{platform}-{layout.kind_word(repository['kind'], described.get('kind_names', {}))}-{word}"
        yield {**repository, "name": name, "architecture": word}


def _one_archive(manifest: t.Mapping[str, t.Any], platform: str) -> bool:
    """Whether all deb platforms of a release are in one archive; decided by the manifest, so that no name changes with the choice."""
    own = manifest["platforms"][platform].get("deb", {})
    patterns = layout.as_list(manifest.get("deb", {}).get("uri", "{platform}"))
    return "uri" not in own and not {"platform", "codename"} & {word for pattern in patterns for word in layout.placeholders(pattern)}


def _add_suite(found: t.Dict[t.Tuple[str, ...], Data], repository: Data) -> None:
    place = tuple(repository["uris"])
    source = found.setdefault(place, {"name": repository["name"], "format": "deb", "urls": list(place), "suites": [], "components": [], "architectures": [],
                                      "keys": repository["keys"], **_transport(repository)})
    for field, values in (("suites", [repository["suite"]]), ("components", repository["components"]), ("architectures", [repository["architecture"]])):
        source[field] += [value for value in values if value not in source[field]]


def _add_repository(found: t.Dict[t.Tuple[str, ...], Data], repository: Data) -> None:
    urls = [url.replace("$basearch", repository["architecture"]) for url in repository["baseurl"]]
    variable = next((url for url in urls if "$" in url), None)
    if variable:
        raise Failure(f"mirror {repository['name']}", f"{variable} has a variable only a host can fill in", "Give this source in mirror_sets, with its URL")
    found.setdefault(tuple(urls), {"name": repository["name"], "format": "rpm", "urls": urls, "signed_metadata": repository["signed_metadata"],
                                   "keys": repository["keys"], **_transport(repository)})


def _transport(repository: Data) -> Data:
    return {field: repository[field] for field in _TRANSPORT if repository.get(field)}


def _with_keyring(source: t.Any, place: str, rings: t.Dict[str, Data], directory: str) -> t.Any:
    """A source with a keyring of its keys, called after them: other keys are another file, and no sync meets half of a change."""
    if not isinstance(source, dict) or "keys" not in source:
        return source
    if not isinstance(source["keys"], list) or not source["keys"]:
        raise Failure("make the mirror's configuration", f"{place}.keys is no list of keys", _KEY)
    prints = [str(key.get("fingerprint") or "").replace(" ", "").upper() if isinstance(key, dict) else "" for key in source["keys"]]
    for index, one in enumerate(prints):
        if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", one):
            raise Failure("make the mirror's configuration", f"{place}.keys[{index}] has no full fingerprint", _KEY)
    if "keyring" in source:
        raise Failure("make the mirror's configuration", f"{place} has both keys and keyring", "Give one of them")
    ordered = sorted(set(prints))
    name = ordered[0] if len(ordered) == 1 else hashlib.sha256(json.dumps(ordered).encode()).hexdigest()[:40]
    path = f"{directory}/{name}.gpg"
    rings.setdefault(path, {"path": path, "keys": list(source["keys"]), **_transport(source)})
    return {**{field: value for field, value in source.items() if field != "keys"}, "keyring": path}
