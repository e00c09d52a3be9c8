# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what is to be mirrored to the configuration of cmd-mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mirror_configuration
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Make the configuration of a mirror host
description:
  - Takes sets of sources and releases, and returns the configuration of C(cmd-mirror) and the keyrings it names.
  - Everything is checked, and each mistake named with its place, before a host is touched.
  - The role P(egi.cmd.mirror#role) writes the result to the mirror host.
positional: settings
options:
  _input:
    description:
      - Sets by name. Each has C(sources), and may have C(publish) and C(keep); docs/mirror.md lists all fields, and
        docs/partial-mirrors.md those of partial mirrors.
      - A source has either a C(keyring), a path on the mirror host, or C(keys).
    type: dict
    required: true
  settings:
    description: The configuration without its sets, at least C(root).
    type: dict
    required: true
  keyrings:
    description: Directory on the mirror host for the keyrings made of C(keys).
    type: str
    default: /etc/cmd-mirror/keys
  releases:
    description: Releases to mirror; each becomes a set.
    type: list
    elements: dict
    suboptions:
      release:
        description: What P(egi.cmd.release#lookup) was asked for. It is not used here.
        type: raw
      name:
        description: Name of the set. The name of the release if left out.
        type: str
      platforms:
        description: Platforms of the manifest. All if left out.
        type: list
        elements: str
      kinds:
        description: Kinds of repository. All that the manifest has if left out.
        type: list
        elements: str
      architectures:
        description: Architectures, in the words of either family. V(x86_64) if left out.
        type: list
        elements: str
      keys:
        description: Signing keys to use instead of those in the manifest, as in P(egi.cmd.resolve#filter).
        type: list
        elements: dict
      publish:
        description: Whether a sync moves the set's name.
        type: bool
      keep:
        description: What snapshots to keep, as in a set.
        type: dict
  signing:
    description: Who signs what is rebuilt, C(home) and C(keys), in sets that do not say so themselves.
    type: dict
  manifests:
    description: The checked manifest of each of O(releases), in the same order, from P(egi.cmd.release#lookup).
    type: list
    elements: dict
seealso:
  - plugin: egi.cmd.release
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: See what cmd-mirror would be told
  ansible.builtin.debug:
    msg: "{{ {} | egi.cmd.mirror_configuration({'root': '/srv/mirror'}, releases=[{'kinds': ['base', 'updates']}], manifests=[release]) }}"
  vars:
    release: "{{ lookup('egi.cmd.release', 'files/site-release.yml') }}"
"""

RETURN = r"""
_value:
  description: What to write on the mirror host.
  type: dict
  contains:
    configuration:
      description: The content of C(/etc/cmd-mirror/config.json).
      type: dict
    keyrings:
      description: Keyrings to make, each with C(path) and C(keys), and how to reach the keys, for M(egi.cmd.mirror_keyring).
      type: list
      elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.role_configuration import Choice, sources, told
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest as manifests_of_releases

_CHOOSING = Choice._fields
_OF_A_SET = ("publish", "keep")


def mirror_configuration(sets: t.Any, settings: t.Any, keyrings: str = "/etc/cmd-mirror/keys",
                         releases: t.Sequence[t.Any] = (), manifests: t.Sequence[t.Any] = (),
                         signing: t.Optional[t.Dict[str, t.Any]] = None) -> t.Dict[str, t.Any]:
    """Return configuration and keyrings; every refusal is an AnsibleFilterError."""
    if not isinstance(sets, dict) or not isinstance(settings, dict):
        raise AnsibleFilterError("egi.cmd.mirror_configuration takes a dictionary of sets and a dictionary of settings")
    if len(releases) != len(manifests):
        raise AnsibleFilterError(f"egi.cmd.mirror_configuration got {len(releases)} releases and {len(manifests)} manifests")
    try:
        wanted = dict(sets)
        for index, (release, manifest) in enumerate(zip(releases, manifests)):
            name, entry = _set(release, manifest, f"releases[{index}]")
            if name in wanted:
                raise Failure("make the mirror's configuration", f"releases[{index}]: there is another set '{name}'", "Give one of them another name")
            wanted[name] = entry
        return told(wanted, settings, keyrings, signing)
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


def _set(release: t.Any, manifest: t.Any, place: str) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """Name and content of the set that mirrors a release."""
    known = ("release", "name", *_CHOOSING, *_OF_A_SET)
    strange = [field for field in release if field not in known] if isinstance(release, dict) else ["it"]
    if strange:
        raise Failure("make the mirror's configuration", f"{place}: {strange[0]} is unknown", f"A release has {', '.join(known)}")
    checked = manifests_of_releases.check(manifest, place)
    entry: t.Dict[str, t.Any] = {"sources": sources(checked, Choice(**{field: release[field] for field in _CHOOSING if field in release}))}
    entry.update({field: release[field] for field in _OF_A_SET if field in release})
    return release.get("name") or checked["name"], entry


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter under its short name."""
        return {"mirror_configuration": mirror_configuration}
