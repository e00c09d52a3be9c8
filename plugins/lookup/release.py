# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: a release by shipped name, path or data to its checked manifest."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Read a release manifest
description:
  - Returns the checked manifest of a release as a dictionary.
  - A manifest with errors is refused; the message names the file, the place and what was expected, one line for each.
options:
  _terms:
    description:
      - The name of a manifest that comes with the collection (V(cmd-os-1), V(cmd-one-1), V(umd-4), V(umd-5),
        V(mos-6.1), V(mos-7.0), V(mos-8.0), V(mos-9.0)),
      - or the path of a file, recognised by a slash or the ending C(.yml), C(.yaml) or C(.json) and searched like
        other local files (beside the playbook or role, and in C(files/)),
      - or the manifest itself as a dictionary.
    required: true
requirements:
  - jsonschema >= 4.0 on the controller
notes:
  - C(docs/manifest.md) explains every field and how to write your own.
seealso:
  - plugin: egi.cmd.resolve
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A shipped release
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'cmd-os-1').dates }}"

- name: Your own release
  ansible.builtin.set_fact:
    release: "{{ lookup('egi.cmd.release', 'files/site-release.yml') }}"

- name: A shipped release from your own mirror
  ansible.builtin.set_fact:
    release: >-
      {{ lookup('egi.cmd.release', lookup('egi.cmd.release', 'umd-5')
      | combine({'rpm': {'baseurl': 'http://mirror.example.org/umd/5/al9/{kind}/$basearch'}}, recursive=true)) }}
"""

RETURN = r"""
_raw:
  description: The manifests in the order of the terms. Their dates are text, V(2026-09-01).
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import document, manifest


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> t.List[t.Dict[str, t.Any]]:
        """Return one checked manifest for every term."""
        try:
            # Dates as text: templating before ansible-core 2.19 turns a dictionary with a date in it into a string.
            return [document.plain(self._release(term, variables), "") for term in terms]
        except Failure as failure:
            raise AnsibleLookupError(str(failure)) from None

    def _release(self, term: t.Any, variables: t.Any) -> t.Dict[str, t.Any]:
        if isinstance(term, dict):
            name = term.get("name")
            return manifest.check(term, name if isinstance(name, str) else "(data)")
        if not isinstance(term, str):
            raise Failure("find a release", f"a term is of type {type(term).__name__}", "Give a name, a path or a dictionary")
        if "/" not in term and not term.endswith((".yml", ".yaml", ".json")):
            return manifest.load_shipped(term)
        return manifest.load_file(self.find_file_in_search_path(variables, "files", term, ignore_missing=True) or term)
