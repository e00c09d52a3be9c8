# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""An ext4 file system from a tar, inside a disk image, without root, without a mount, and the same bytes every time.

mkfs.ext4 -d takes the order of directories and the times of status changes from the build host's file system. Here debugfs(8)
writes file after file in the tar's order, so only the tar decides.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_layout import MEBIBYTE, Partition

TOOLS = ("mkfs.ext4", "debugfs", "e2fsck")

_BLOCK = 4096
# In full, so that neither the build host's mke2fs.conf nor its version decides. What is here, GRUB 2.06 and Linux 4.18 can read.
_CONFIGURATION = """\
[defaults]
 base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
 default_mntopts = acl,user_xattr
 enable_periodic_fsck = 0
 blocksize = 4096
 inode_size = 256
 inode_ratio = 16384
[fs_types]
 ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
 }
"""
_XATTR = "SCHILY.xattr."
_FORMATS = {
    tarfile.REGTYPE: stat.S_IFREG, tarfile.AREGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO,
}
_NODES = {tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b"}


class Volume(t.NamedTuple):
    """What the file system is called. seed: UUID of its directory hashes."""

    label: str
    identifier: str
    seed: str


def write(archive: str, disk: str, part: Partition, volume: Volume, epoch: int, stage: str, log: str) -> None:
    """Make the file system of a partition of disk, with what is in archive. stage: an empty directory for files on their way.

    Raises Failure when it does not fit, or has a name that debugfs cannot be told.
    """
    action = f"write {os.path.basename(archive)} to an ext4 file system"
    env = {**build_tools.environment(epoch, stage), "MKE2FS_CONFIG": f"{stage}/mke2fs.conf"}
    with open(f"{stage}/mke2fs.conf", "w", encoding="ascii") as handle:
        handle.write(_CONFIGURATION)
    with tarfile.open(archive) as tar, open(f"{stage}/commands", "w", encoding="utf-8", errors="surrogateescape") as commands:
        script = _Script(commands, f"{stage}/files", action)
        for member in tar:
            script.add(tar, member)
        script.finish()
    _require_room(script, part, action)
    extended = f"offset={part.start},hash_seed={volume.seed},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    build_tools.run(["mkfs.ext4", "-q", "-F", "-m", "1", "-L", volume.label, "-U", volume.identifier, "-E", extended, disk, f"{part.size >> 10}k"],
                    action, env, log)
    where = f"{disk}?offset={part.start}"
    _debugfs(f"{stage}/commands", where, action, env, stage, log)
    build_tools.run(["e2fsck", "-f", "-n", where], f"prove the file system of {os.path.basename(disk)}", env, log)
    shutil.rmtree(f"{stage}/files")


def _debugfs(commands: str, where: str, action: str, env: t.Mapping[str, str], stage: str, log: str) -> None:
    """debugfs ends with 0 whatever happened; what it says on standard error decides."""
    said = f"{stage}/debugfs"
    build_tools.run(["debugfs", "-w", "-f", commands, where], action, env, said)
    with open(said, encoding="utf-8", errors="replace") as handle:
        complaints = [line for line in handle.read().splitlines()[1:] if line.strip() and not line.startswith("debugfs 1.")]
    if complaints:
        with open(log, "a", encoding="utf-8") as handle:
            handle.write("\n".join(complaints) + "\n")
        raise Failure(action, complaints[0], f"Everything it said is in {log}")


def _require_room(script: _Script, part: Partition, action: str) -> None:
    # The journal, inode tables and what ext4 keeps for root take less than an eighth, and 64 MiB.
    room = part.size - part.size // 8 - min(64 * MEBIBYTE, part.size // 8)
    if script.size > room:
        raise Failure(action, f"it has {script.size >> 20} MiB, the partition has room for {room >> 20} MiB", "Give the definition a larger size")


class _Script:
    """Commands of debugfs, in the order of the tar's members. size: bytes that the files will take."""

    def __init__(self, commands: t.TextIO, files: str, action: str) -> None:
        self._commands, self._files, self._action = commands, files, action
        self._directory = "/"
        self._links: t.Dict[str, int] = {}
        self._count = 0
        self.size = 0

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = os.path.normpath("/" + member.name)
        directory, name = os.path.split(path)
        if path == "/":
            self._inode("/", member)
            return
        if directory != self._directory:
            self._say("cd", directory)
            self._directory = directory
        if member.islnk():
            target = os.path.normpath("/" + member.linkname)
            self._links[target] = self._links.get(target, 1) + 1
            self._say("ln", target, name)
            return
        if member.type not in _FORMATS:
            raise Failure(self._action, f"{path} is neither file, directory, link nor device", "Let post remove it")
        self._make(tar, member, name)
        self._inode(f"./{name}", member)

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        self.size += _BLOCK * (1 if member.isdir() else 0)
        if member.isdir():
            self._say("mkdir", name)
        elif member.issym():
            self._say("symlink", name, member.linkname)
        elif member.isreg():
            self._say("write", self._extract(tar, member), name)
        elif member.isfifo():
            self._say("mknod", name, "p")
        else:
            self._say("mknod", name, _NODES[member.type], str(member.devmajor), str(member.devminor))

    def _extract(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
        place = self._file()
        with open(place, "wb") as target:
            shutil.copyfileobj(t.cast("t.IO[bytes]", tar.extractfile(member)), target)
        self.size += (member.size + _BLOCK - 1) // _BLOCK * _BLOCK
        return place

    def _file(self) -> str:
        """Return the path of a new file; a thousand in a directory are quick everywhere."""
        directory = f"{self._files}/{self._count // 1000}"
        os.makedirs(directory, exist_ok=True)
        self._count += 1
        return f"{directory}/{self._count}"

    def _inode(self, spec: str, member: tarfile.TarInfo) -> None:
        if not member.issym():
            self._say("sif", spec, "mode", f"0{_FORMATS[member.type] | member.mode & 0o7777:o}")
        for field, value in (("uid", member.uid), ("gid", member.gid)):
            if value:
                self._say("sif", spec, field, str(value))
        self._say("sif", spec, "mtime", f"@{int(member.mtime)}")
        for name in sorted(name for name in member.pax_headers if name.startswith(_XATTR)):
            place = self._file()
            with open(place, "wb") as target:
                target.write(str(member.pax_headers[name]).encode("utf-8", "surrogateescape"))
            self._say("ea_set", "-f", place, spec, name[len(_XATTR):])

    def finish(self) -> None:
        """ln(1) of debugfs leaves the count of links to whoever makes them."""
        for target, count in self._links.items():
            self._say("sif", target, "links_count", str(count))

    def _say(self, command: str, *words: str) -> None:
        for word in words:
            if '"' in word or "\n" in word:
                raise Failure(self._action, f"the name {word!r} has a quote or a line feed", "Let post rename it")
        self._commands.write(" ".join([command, *(f'"{word}"' for word in words)]) + "\n")
