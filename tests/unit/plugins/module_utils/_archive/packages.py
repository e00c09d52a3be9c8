# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages made byte by byte, so that a test can make them lie."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import typing as t

CONTROL = "Package: alpha\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Example Team <team@example.org>\nSection: net\nDescription: example\n"


def tar(files: t.Mapping[str, bytes], compression: str = "gz", form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive; a name that ends in a slash is a directory. compression: gz, xz, bz2 or none."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=f"w:{'' if compression == 'none' else compression}", format=form) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.size = len(data)
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            archive.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def ar(members: t.Sequence[t.Tuple[str, bytes]]) -> bytes:
    """An ar archive."""
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2) for name, data in members
    )


def deb(control: str = CONTROL, files: t.Optional[t.Mapping[str, bytes]] = None, compression: str = "gz") -> bytes:
    """A Debian package."""
    ending = "" if compression == "none" else f".{compression}"
    content = tar({"./usr/": b"", "./usr/share/alpha": b"data"} if files is None else files, compression)
    return ar([("debian-binary", b"2.0\n"), ("control.tar.gz", tar({"./control": control.encode()})), (f"data.tar{ending}", content)])


def rpm(name: str = "alpha", version: str = "1.0", release: str = "1.el9", arch: str = "noarch", payload: bytes = b"payload",
        source: t.Optional[str] = "alpha-1.0-1.el9.src.rpm", digest: bool = True, more: t.Sequence[t.Tuple[int, t.Union[int, str]]] = ()) -> bytes:
    """An RPM package with a payload nobody unpacks.

    source: None makes a source package; digest: state a SHA-256 of the payload; more: further tags.
    """
    tags: t.List[t.Tuple[int, t.Union[int, str]]] = [(1000, name), (1001, version), (1002, release), (1006, 1795000000), (1022, arch)]
    tags += [(1044, source)] if source else []
    tags += [(5092, hashlib.sha256(payload).hexdigest())] if digest else []
    header = rpm_header([*tags, *more])
    signature = rpm_header([
        (273, hashlib.sha256(header).hexdigest()), (1000, len(header) + len(payload)), (1004, hashlib.md5(header + payload).digest()),
    ])
    lead = b"\xed\xab\xee\xdb\x03\x00" + bytes(90)
    return lead + signature + bytes(-len(signature) % 8) + header + payload


def rpm_header(tags: t.Sequence[t.Tuple[int, t.Union[int, str, bytes]]]) -> bytes:
    """One header structure."""
    index, store = b"", b""
    for tag, value in tags:
        if isinstance(value, int):
            store += bytes(-len(store) % 4)
            kind, count, data = 4, 1, struct.pack(">I", value)
        elif isinstance(value, bytes):
            kind, count, data = 7, len(value), value
        else:
            kind, count, data = 6, 1, value.encode() + b"\0"
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += data
    return b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(tags), len(store)) + index + store
