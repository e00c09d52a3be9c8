# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The module's own way to run a program, in the shape the logic below asks for."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def runner(module: AnsibleModule) -> t.Callable[[t.Sequence[str], t.Mapping[str, str]], t.Tuple[int, str, str]]:
    """Return a callable (argv, additions to the environment) -> (exit status, stdout, stderr)."""

    def run(argv: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Tuple[int, str, str]:
        status, out, err = module.run_command(list(argv), environ_update=dict(environment))
        return int(status), str(out), str(err)

    return run
