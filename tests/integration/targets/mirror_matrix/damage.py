# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the mirror's own disk: rotten bits, links where there should be directories, no more inodes."""

from __future__ import annotations

import ctypes
import os
import pwd
import typing as t

from site_under_test import Row, Site

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

_MS_REMOUNT = 32  # mount(2)
_libc = ctypes.CDLL(None, use_errno=True)


def rows() -> t.Sequence[t.Tuple[str, Row]]:
    """Name and function of each row, as lies.rows() gives them."""
    return _ROWS


def _rot(site: Site) -> None:
    """One bit of a package of each family and of an index: the next syncs do not see it, verify does and mends it."""
    site.brings()
    good = site.readable()
    rotten = [site.new_package("deb"), site.new_package("rpm"), next(path for path in good if path.endswith("Packages.gz"))]
    for path in rotten:
        file = (site.root / "set" / path).resolve()
        content = file.read_bytes()
        file.chmod(0o644)
        file.write_bytes(content[:9] + bytes([content[9] ^ 1]) + content[10:])
    found = site.run("verify")
    assert found.code == 4, found
    for path in rotten:
        name = path.rpartition("/")[2]
        assert any(name in one["path"] or "by-hash" in one["path"] for one in found.data["findings"]), (path, found.data)
    assert site.run("verify", "--repair").code == 0
    assert site.readable() == good


def _inodes(site: Site) -> None:
    """A file system with room for bytes and not for files is seen before the first package."""
    site.root = site.work / "small"
    site.root.mkdir()
    _mounted(site, 0, "size=24m,nr_inodes=40")
    try:
        site.configure()
        answer = site.run("sync")
        assert answer.code == 1 and "the file system has room for" in answer.told, answer
        assert not (site.root / "set").exists()
        _mounted(site, _MS_REMOUNT, "size=24m,nr_inodes=4000")
        site.brings()
    finally:
        _libc.umount2(os.fsencode(site.root), 0)
        site.root = site.work / "srv/mirror"
        site.configure()


def _mounted(site: Site, flags: int, options: str) -> None:
    if _libc.mount(b"tmpfs", os.fsencode(site.root), b"tmpfs", flags, options.encode()):
        raise OSError(ctypes.get_errno(), f"cannot mount a tmpfs with {options}")


def _planted_file(site: Site) -> None:
    """A link in place of an unfinished file: what it leads to is not written to."""
    (site.work / "outside").write_text("mine")
    link = site.root / "store/partial" / archives.digest(site.packages["package4"][1])
    link.symlink_to(site.work / "outside")
    site.refuses(link.name)
    link.unlink()


def _planted_snapshot(site: Site) -> None:
    """A link in place of an unfinished snapshot: it goes, what it leads to stays."""
    (site.work / "outside").mkdir()
    (site.work / "outside/mine").write_text("mine")
    (site.root / "snapshots/.new-planted").symlink_to(site.work / "outside")
    before = site.around()
    site.brings()
    assert site.around() == before


def _run_by_root(site: Site) -> None:
    """Root runs it in a mirror of another user's: nothing in it becomes root's, and a link planted there gains nothing."""
    owner = pwd.getpwnam("daemon")
    for path in [site.root, *site.root.rglob("*")]:
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    for path in (site.work, site.work.parent):
        path.chmod(0o755)
    (site.work / "tmp").chmod(0o1777)
    outside, packages = site.work / "outside", site.root / "tree/deb/1/pool/main/p/package4"
    outside.mkdir(mode=0o755)
    packages.rename(packages.with_name("aside"))
    packages.symlink_to(outside)
    site.refuses("Permission denied")
    packages.unlink()
    packages.with_name("aside").rename(packages)
    site.brings()
    foreign = [path for path in site.root.rglob("*") if path.lstat().st_uid != owner.pw_uid and path != packages]
    assert not foreign, foreign


_ROWS: t.Sequence[t.Tuple[str, Row]] = (
    ("rotten bits on the mirror's disk", _rot),
    ("no more inodes", _inodes),
    ("link planted in place of an unfinished file", _planted_file),
    ("link planted in place of an unfinished snapshot", _planted_snapshot),
    ("root runs it in another user's mirror", _run_by_root),
)
