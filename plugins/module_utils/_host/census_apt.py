# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What an apt host is told, for a census: its sources files and dpkg's database, neither of which needs apt's cache."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_view
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Inventory, Run

_FORMAT = "${binary:Package}\t${Version}\t${db:Status-Status}\n"
_ABSENT = ("not-installed", "config-files")


def inventory(run: Run, packages: t.Sequence[str]) -> Inventory:
    """Return what family.Family.inventory() promises. Raises Failure."""
    argv = ["dpkg-query", "-W", "-f", _FORMAT]
    status, out, err = run(argv, apt_view.ENVIRONMENT)
    if status:
        raise Failure("list the installed packages", err.strip() or f"dpkg-query ended with {status}", "Repair dpkg's database: run 'dpkg --audit'")
    rows = [line.split("\t") for line in out.splitlines()]
    # dpkg writes the architecture behind a name only where several may be installed beside each other.
    found = {name.partition(":")[0]: version for name, version, state in reversed(rows) if state not in _ABSENT}
    return Inventory(
        sorted((set_name, name, place[0]) for place, (name, set_name) in apt_view.our_places().items()),
        [],
        {name: found.get(name) for name in packages},
    )
