# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Work in a mirror as the user it belongs to: a file of root's in it would stop the next run of the timer."""

from __future__ import annotations

import contextlib
import importlib
import os
import pwd
import typing as t


@contextlib.contextmanager
def as_owner(root: str) -> t.Iterator[None]:
    """Do the body with the rights of the user a mirror's root belongs to; only root can, and others go on as they are.

    Only the effective ids change: whoever called gets its own back.
    """
    try:
        owner = pwd.getpwuid(os.stat(root).st_uid)
    except (FileNotFoundError, KeyError):  # not made yet, or of nobody we know
        owner = None
    if owner is None or os.geteuid() != 0 or owner.pw_uid == 0:
        yield
        return
    _import_everything()
    before = os.getgroups(), os.getegid(), os.environ.get("HOME")
    os.setgroups(os.getgrouplist(owner.pw_name, owner.pw_gid))
    os.setegid(owner.pw_gid)
    os.seteuid(owner.pw_uid)
    os.environ["HOME"] = owner.pw_dir  # logins of upstreams are in ~/.netrc
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(before[1])
        os.setgroups(before[0])
        if before[2] is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before[2]


def _import_everything() -> None:
    """Import what the engine imports when it needs it: a module of Ansible's is in an archive that only root reads."""
    import pkgutil  # takes longer to import than all else here, and is seldom needed

    package = importlib.import_module(__name__.rpartition(".")[0])
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
