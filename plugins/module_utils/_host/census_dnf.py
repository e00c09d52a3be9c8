# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a dnf host is told, for a census: its configuration as dnf itself reads it, without loading any package, and rpm's database."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_base, dnf_view
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Inventory, Run

_FORMAT = "%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n"


def inventory(run: Run, packages: t.Sequence[str]) -> Inventory:
    """Return what family.Family.inventory() promises. Raises Failure."""
    import dnf

    # Without plugins, which dnf loads once per process: an audit in the same process needs them more.
    base = dnf_base.configured()
    try:
        base.read_all_repos()
        sources = [(dnf_view.set_of(one), one) for one in base.repos.all()]
        excludes = [(one.id, str(pattern)) for one in base.repos.iter_enabled() for pattern in one.excludepkgs]
    except dnf.exceptions.Error as error:
        raise Failure("read the host's dnf repositories", dnf_base.reason(error), "Correct the file it names in /etc/yum.repos.d") from error
    finally:
        base.close()
    return Inventory(sorted((name, one.id, _location(one)) for name, one in sources if name), excludes, _versions(run, packages))


def _location(repository: t.Any) -> str:
    return str(next(iter(repository.baseurl), "") or repository.metalink or repository.mirrorlist or "")


def _versions(run: Run, packages: t.Sequence[str]) -> t.Dict[str, t.Optional[str]]:
    if not packages:
        return {}
    # It ends with the number of packages that are not installed, and says so on lines without a tab.
    _status, out, _err = run(["rpm", "-q", "--qf", _FORMAT, "--", *packages], {"LC_ALL": "C"})
    found = dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)
    return {name: found.get(name) for name in packages}
