# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: the run of ansible-playbook that asks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_run
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Identify this run of ansible-playbook
description:
  - Returns the machine, the process and the user of this run. The record of a rollout keeps it, so that a second
    operator is refused while the first is at work, and a run that was killed is known to be gone.
  - Returns also which processes there are on this machine, because the record may be on another host, which cannot
    look here.
options:
  _terms:
    description: Name of the user to record; if empty, the one who runs ansible-playbook.
    type: list
    elements: str
seealso:
  - module: egi.cmd.wave_gate
"""

EXAMPLES = r"""
- name: Show who runs this
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.rollout_run') }}"
"""

RETURN = r"""
_raw:
  description: The run.
  type: list
  elements: dict
  sample: [{machine: bastion, boot: 0a1b, pid: 4711, started: "123456", user: alice, processes: {"4711": "123456"}}]
"""

import multiprocessing
import os
import pwd
import typing as t

from ansible.plugins.lookup import LookupBase

from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import observed, this_run


class LookupModule(LookupBase):
    """Ansible's entry point."""

    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> t.List[t.Dict[str, t.Any]]:
        """Return the run as a list of one."""
        self.set_options(var_options=variables, direct=kwargs)
        # Tasks are templated in a forked worker, which ends with its task; its parent is ansible-playbook itself.
        parent = multiprocessing.parent_process()
        pid = os.getpid() if parent is None or parent.pid is None else parent.pid
        named = [str(term) for term in terms if term]
        return [{**observed(), **this_run(pid, named[0] if named else _user())}]


def _user() -> str:
    """Return who is at the keyboard: sudo says it, else the account."""
    account = os.environ.get("SUDO_USER")
    if account:
        return account
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        return str(os.getuid())
