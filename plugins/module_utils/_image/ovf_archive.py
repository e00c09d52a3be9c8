# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The members of an OVA, found without trusting it: USTAR headers only, regular files only, every name looked at.

A second reader would be tarfile; it follows extension headers, which is how an archive shows one reader another content
than the next. Here anything but a plain header ends the reading, except a pax header with nothing but times and owners: what
Python's tarfile writes, and with it COT, has one before each file.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Problem
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_read import name_problem

_BLOCK = 512
_ZERO = b"\0" * _BLOCK
_MOST = 100  # members; what sites that subscribe to images accept
_HOSTILE = "Do not use this package"
_REPACK = "Unpack it with tar, look at it, and pack it again"
_USTAR, _GNU = b"ustar\x0000", b"ustar  \x00"
_HARMLESS = ("atime", "ctime", "gid", "gname", "mtime", "uid", "uname")
_MOST_PAX = 1 << 16
_TYPES = {
    b"1": ("hard-link", "a hard link"), b"2": ("symbolic-link", "a symbolic link"), b"3": ("device", "a character device"),
    b"4": ("device", "a block device"), b"5": ("directory", "a directory"), b"6": ("fifo", "a named pipe"),
    b"g": ("pax-header", "a global pax extension header"),
    **{kind: ("gnu-header", "a GNU extension header") for kind in (b"L", b"K", b"S", b"M", b"N", b"D", b"V")},
}


class Member(t.NamedTuple):
    """A regular file in an archive. offset: of its first byte; size: bytes."""

    name: str
    offset: int
    size: int


class _Stop(Exception):
    """After this problem nobody can say where the next header is."""

    def __init__(self, rule: str, what: str, remedy: str = _HOSTILE) -> None:
        super().__init__(what)
        self.problem = Problem(rule, what, remedy)


def scan(file: t.BinaryIO) -> t.Tuple[t.Tuple[Member, ...], t.Tuple[Problem, ...]]:
    """Members of an archive in their order, and problems. What follows a problem of the archive's form is not looked at."""
    length = file.seek(0, 2)
    members: t.List[Member] = []
    problems: t.List[Problem] = []
    seen: t.Set[str] = set()
    offset = 0
    try:
        while True:
            header = _block(file, offset)
            if header == _ZERO:
                _check_end(file, offset)
                break
            name, size = _read_header(header, problems)
            offset += _BLOCK
            if offset + size > length:
                raise _Stop("truncated", f"the archive ends within {name[:80]!r}", "Get the package again")
            if header[156:157] == b"x":
                _check_pax(file, size)
                _warn(problems, "it has pax extension headers, of times and owners only")
                offset += size + -size % _BLOCK
                continue
            if len(members) >= _MOST:
                raise _Stop("too-many", f"the archive has more than {_MOST} members")
            problem = name_problem(name)
            if problem:
                problems.append(problem)
            if name.lower() in seen:
                problems.append(Problem("duplicate-name", f"the archive has {name[:80]!r} twice", _HOSTILE))
            seen.add(name.lower())
            members.append(Member(name, offset, size))
            offset += size + -size % _BLOCK
    except _Stop as stop:
        problems.append(stop.problem)
    return tuple(members), tuple(problems)


def _block(file: t.BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        raise _Stop("truncated", "the archive has no end", "Get the package again")
    return block


def _check_end(file: t.BinaryIO, offset: int) -> None:
    """Two blocks of zeros end an archive; what comes after them is seen by some readers and not by others."""
    if _block(file, offset + _BLOCK) != _ZERO:
        raise _Stop("archive-end", "there is something after the end of the archive")
    while True:
        rest = file.read(1 << 20)
        if not rest:
            return
        if rest.strip(b"\0"):
            raise _Stop("archive-end", "there is something after the end of the archive")


def _read_header(header: bytes, problems: t.List[Problem]) -> t.Tuple[str, int]:
    """Name and size of a regular file."""
    unsigned = sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
    magic = header[257:265]
    # What is no archive fails here first, so this is looked at before the checksum.
    if magic not in (_USTAR, _GNU):
        raise _Stop("not-ustar", "it is not a USTAR archive", "Get the package again; an OVA is a tar file, not compressed")
    if _octal(header[148:156], "checksum") != unsigned:
        raise _Stop("header-checksum", "the checksum of a header is wrong", "Get the package again")
    raw, kind = header[:100].split(b"\0")[0], header[156:157]
    if magic == _USTAR and header[345]:
        raw = header[345:500].split(b"\0")[0] + b"/" + raw
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Stop("name-encoding", f"the name {raw[:80]!r} is not UTF-8") from error
    if kind in _TYPES:
        rule, described = _TYPES[kind]
        raise _Stop(rule, f"{name[:80]!r} is {described}", _REPACK if rule in ("pax-header", "gnu-header", "directory") else _HOSTILE)
    if kind not in (b"0", b"\0", b"x"):
        raise _Stop("member-type", f"{name[:80]!r} is of the unknown type {kind!r}")
    if magic == _GNU:
        _warn(problems, "it is an archive of GNU's format")
    return name, _octal(header[124:136], f"size of {name[:80]!r}")


def _check_pax(file: t.BinaryIO, size: int) -> None:
    """Refuse an extension header that says anything about the next file's name, size or content."""
    body = file.read(size) if size <= _MOST_PAX else b""
    while body:
        match = re.match(rb"([0-9]{1,5}) ([a-z]+)=", body)
        record = body[:int(match[1])] if match else b""
        if not match or not record.endswith(b"\n") or match[2].decode("ascii") not in _HARMLESS:
            break
        body = body[len(record):]
    if body or size > _MOST_PAX:
        raise _Stop("pax-header", "a pax extension header says more than times and owners", _REPACK)


def _warn(problems: t.List[Problem], what: str) -> None:
    """Once, that it is not plain USTAR."""
    if all(problem.rule != "not-plain-ustar" for problem in problems):
        problems.append(Problem("not-plain-ustar", what, "Pack it again if an importer refuses it", "warning"))


def _octal(field: bytes, what: str) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise _Stop("header-number", f"the {what} is not an octal number", _REPACK)
    return int(digits, 8)
