# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A raw disk in the formats that clouds take. Each conversion is read back and compared, and gives the same bytes every time."""

from __future__ import annotations

import os
import re
import struct
import typing as t
import uuid

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_image import sha256

DISK_FORMATS = ("qcow2", "raw.tar.xz", "vmdk", "vhd")
ROOT_FORMAT = "tar.xz"
"""Of a container, which has no disk."""
COMPRESSIONS = ("zstd", "zlib")

_SPACE = uuid.UUID("0b8a2f8e-6f2b-4c64-8f5f-3f1d5a9e7c10")
_VHD_FOOTER = 512
_VHD_EPOCH = 946684800  # VHD counts seconds from 2000-01-01 UTC
# The number of threads decides where xz starts a new block, so it must not be the number of processors.
_XZ = "xz -T2 -2"


class Source(t.NamedTuple):
    """path: of a raw disk, or of the tar of a root file system. digest: its SHA-256. epoch: the time its files bear."""

    path: str
    digest: str
    epoch: int


def tools(formats: t.Iterable[str]) -> t.Tuple[str, ...]:
    """Return the programs that converting needs."""
    needed = {"qemu-img"} if any(form in DISK_FORMATS for form in formats) else set()
    return tuple(sorted(needed | ({"tar", "xz"} if any(form.endswith(".xz") for form in formats) else set())))


def require_room(source: Source, formats: t.Sequence[str], directory: str) -> None:
    """Raise Failure when directory's file system cannot hold all formats at their worst, and a copy to compare with."""
    held = os.stat(source.path).st_blocks * 512
    need = held * (len(formats) + 1)
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    if free < need:
        raise Failure(f"convert {os.path.basename(source.path)}", f"{len(formats)} formats take up to {need >> 20} MiB, {free >> 20} MiB are free",
                      f"Below {directory}, make room, or take fewer formats")


def write(source: Source, form: str, target: str, compression: str, log: str) -> None:
    """Write target, a new file in a directory of its own, and compare it with the source. Raises Failure when they differ."""
    stage = os.path.dirname(target)
    env = build_tools.environment(source.epoch, stage)
    action = f"convert to {form}"
    if form == "qcow2":
        _qemu(source, "qcow2", ["-c", "-o", f"compression_type={compression}"], target, action, env, log)
    elif form == "vmdk":
        _qemu(source, "vmdk", ["-o", "subformat=streamOptimized"], target, action, env, log)
        fix_vmdk(target, source.digest)
    elif form == "vhd":
        _qemu(source, "vpc", ["-o", "subformat=dynamic,force_size=on"], target, action, env, log)
        fix_vhd(target, source.digest, source.epoch)
    elif form == "raw.tar.xz":
        _tar(source, target, action, env, log)
    else:
        build_tools.run(["sh", "-euc", f'{_XZ} <"$1" >"$2"', "sh", source.path, target], action, env, log)
    _compare(source, form, target, env, log)


def _qemu(source: Source, form: str, options: t.Sequence[str], target: str, action: str, env: t.Mapping[str, str], log: str) -> None:
    build_tools.run(["qemu-img", "convert", "-f", "raw", "-O", form, *options, source.path, target], action, env, log)


def _tar(source: Source, target: str, action: str, env: t.Mapping[str, str], log: str) -> None:
    """One sparse member. Holes are found by reading: what the build host's file system says of them is its own affair."""
    name = os.path.basename(target)[:-len(".tar.xz")]
    path = source.path
    if os.stat(path).st_blocks * 512 >= os.path.getsize(path):
        # tar looks for zeros only in a file that has a hole already.
        path = f"{target}.sparse"
        build_tools.run(["cp", "--sparse=always", "--dereference", source.path, path], action, env, log)
    pack = (f'tar --create --sparse --hole-detection=raw --format=gnu --numeric-owner --owner=0 --group=0 --mode=0644'
            f' --mtime="@$3" --dereference --transform="s|.*|$4|" --directory "$(dirname "$1")" "$(basename "$1")" | {_XZ} >"$2"')
    build_tools.run(["sh", "-euc", pack, "sh", path, target, str(source.epoch), name], action, env, log)
    if path != source.path:
        os.unlink(path)


def _compare(source: Source, form: str, target: str, env: t.Mapping[str, str], log: str) -> None:
    action = f"prove that {os.path.basename(target)} has the same content"
    if form in ("qcow2", "vmdk", "vhd"):
        build_tools.run(["qemu-img", "compare", "-f", "raw", "-F", "vpc" if form == "vhd" else form, source.path, target], action, env, log)
        return
    back = f"{target}.back"
    unpack = {"raw.tar.xz": 'mkdir "$2" && tar --extract --sparse --file "$1" --directory "$2"', ROOT_FORMAT: 'mkdir "$2" && xz -dc "$1" >"$2/root.tar"'}
    build_tools.run(["sh", "-euc", unpack[form], "sh", target, back], action, env, log)
    names = os.listdir(back)
    found = [sha256(f"{back}/{name}") for name in names]
    for name in names:
        os.unlink(f"{back}/{name}")
    os.rmdir(back)
    if found != [source.digest]:
        raise Failure(action, "what it unpacks to is something else", "Try again; if it happens again, check memory and disk of the build host")


def fix_vmdk(path: str, digest: str) -> None:
    """Give a VMDK the content identifier that belongs to the disk, instead of a random one. digest: SHA-256 of the disk."""
    with open(path, "r+b") as handle:
        # Header of a sparse extent: where the descriptor is and how long its place is, in sectors. The number has no fixed width.
        start, size = (512 * value for value in struct.unpack("<QQ", handle.read(44)[28:]))
        handle.seek(start)
        text = handle.read(size).rstrip(b"\0")
        # ffffffff means that there is no parent; qemu never makes it either.
        fixed, count = re.subn(rb"^CID=[0-9a-f]+$", b"CID=%08x" % (int(digest[:8], 16) & 0xFFFFFFFE), text, flags=re.MULTILINE)
        if count != 1 or len(fixed) > size:
            raise Failure("convert to vmdk", "qemu-img wrote no descriptor where one has to be", "Use another version of qemu-img")
        handle.seek(start)
        handle.write(fixed.ljust(size, b"\0"))


def fix_vhd(path: str, digest: str, epoch: int) -> None:
    """Give a dynamic VHD the identifier and the time that belong to the disk; both copies of its footer, with new checksums."""
    with open(path, "r+b") as handle:
        for place in (0, os.path.getsize(path) - _VHD_FOOTER):
            handle.seek(place)
            footer = bytearray(handle.read(_VHD_FOOTER))
            if footer[:8] != b"conectix":
                raise Failure("convert to vhd", "qemu-img wrote no footer where one has to be", "Use another version of qemu-img")
            struct.pack_into(">I", footer, 24, max(0, epoch - _VHD_EPOCH))
            footer[68:84] = uuid.uuid5(_SPACE, digest).bytes
            struct.pack_into(">I", footer, 64, 0)
            struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
            handle.seek(place)
            handle.write(footer)
