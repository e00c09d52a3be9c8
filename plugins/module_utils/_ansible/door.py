# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The one door between the collection's logic and Ansible: errors out, bindings in."""

from __future__ import annotations

import contextlib
import typing as t

from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_SYSTEM_PYTHONS = ("/usr/libexec/platform-python", "/usr/bin/python3", "/usr/bin/python")


@contextlib.contextmanager
def door(module: AnsibleModule, **result: t.Any) -> t.Iterator[None]:
    """Run a module's body; a Failure, or an OSError that escaped it, ends the module with one readable message.

    result: return values that are also given on failure, so that callers find the same keys.
    """
    try:
        yield
    except Failure as failure:
        module.fail_json(msg=str(failure), **result)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        refusal = Failure(f"use{where or ' a file'}", error.strerror or str(error), "Check free space and permissions")
        module.fail_json(msg=str(refusal), **result)


def respawn_for(module: AnsibleModule, binding: str, package: str) -> None:
    """Make ``import <binding>`` possible, by starting the module again under the system's own Python if need be.

    Returns when the binding can be imported; otherwise never returns (respawned, or failed naming the interpreters).
    """
    try:
        __import__(binding)
        return
    except ImportError:
        pass
    if not has_respawned():
        interpreter = probe_interpreters_for_module(list(_SYSTEM_PYTHONS), binding)
        if interpreter:
            respawn_module(interpreter)
    tried = ", ".join(_SYSTEM_PYTHONS)
    module.fail_json(msg=str(Failure(f"import {binding}", f"none of {tried} has it", f"Install {package} on the host")))
