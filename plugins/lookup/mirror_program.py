# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: cmd-mirror as one file on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mirror_program
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Build cmd-mirror
description:
  - Builds the program C(cmd-mirror) from the collection's own files and returns the path of the result on the controller.
  - The file is self-contained. The host it is copied to needs Python 3.8 or newer and nothing of Ansible.
  - The same collection always gives the same bytes. The file is removed with Ansible's other temporary files.
options:
  _terms:
    description: The Python that runs the program on the host, at most one. V(/usr/bin/python3) if there is none.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Install cmd-mirror
  ansible.builtin.copy:
    src: "{{ lookup('egi.cmd.mirror_program') }}"
    dest: /usr/local/bin/cmd-mirror
    mode: "0755"
"""

RETURN = r"""
_raw:
  description: The path.
  type: list
  elements: str
"""

import hashlib
import os
import tempfile
import typing as t

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.egi.cmd.plugins.module_utils import _mirror
from ansible_collections.egi.cmd.plugins.module_utils._mirror import program


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> t.List[str]:
        """Return the path of the program."""
        if len(terms) > 1 or not all(isinstance(term, str) and term.startswith("/") for term in terms):
            raise AnsibleLookupError("egi.cmd.mirror_program takes the path of one Python, or nothing")
        content = program.build(os.path.dirname(os.path.dirname(str(_mirror.__file__))), *terms)
        path = os.path.join(constants.DEFAULT_LOCAL_TMP, f"cmd-mirror-{hashlib.sha256(content).hexdigest()}")
        # Several hosts ask at once, each in a process of its own: whoever reads the path finds it whole.
        with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
        return [path]
