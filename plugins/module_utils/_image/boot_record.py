# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What stays of a boot: its verdict, its console and its screen; and what is known of this host's accelerators."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import struct
import tempfile
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.boot_request import Boot

Verdict = t.Dict[str, t.Any]
_ACCELERATORS, _WORK = "accelerators.json", ".boot-"


class Shelf:
    """A directory of reports; use it as a context: one run at a time, and what a killed one left is removed."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Shelf:
        os.makedirs(self.directory, exist_ok=True)
        lock = self._stack.enter_context(open(os.path.join(self.directory, ".lock"), "w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stack.close()
            raise Failure("boot images", f"another run works in {self.directory}", "Wait for it, or use another directory for reports") from None
        for name in os.listdir(self.directory):
            if name.startswith(_WORK):
                shutil.rmtree(os.path.join(self.directory, name))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def workplace(self) -> t.Iterator[str]:
        """A directory that is gone afterwards; seeds with secrets are in it."""
        with tempfile.TemporaryDirectory(dir=self.directory, prefix=_WORK) as path:
            yield path

    def keep(self, boot: Boot, verdict: Verdict, console: str, screen: bytes) -> Verdict:
        """Write down a verdict and what it was made from; return it as it is on disk."""
        names = {"console": f"{boot.report}.log", "screenshot": f"{boot.report}.png" if screen else None}
        self._write(f"{boot.report}.log", console.encode())
        if screen:
            self._write(f"{boot.report}.png", screen)
        told = {**verdict, **names}
        self._write(f"{boot.report}.json", (json.dumps(told, indent=1, sort_keys=True) + "\n").encode())
        return told

    def accelerators(self, host: str) -> t.Dict[str, str]:
        """Accelerator -> proven or unusable, as found on this host with this kernel and this QEMU."""
        return dict(_load(os.path.join(self.directory, _ACCELERATORS)).get(host) or {})

    def remember(self, host: str, accelerator: str, what: str) -> None:
        """Write down what was found of an accelerator; what was found on another kernel or QEMU does not count any more."""
        known = {**self.accelerators(host), accelerator: what}
        self._write(_ACCELERATORS, (json.dumps({host: known}, indent=1, sort_keys=True) + "\n").encode())

    def _write(self, name: str, content: bytes) -> None:
        descriptor, made = tempfile.mkstemp(dir=self.directory, prefix=_WORK)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, 0o644)
        os.replace(made, os.path.join(self.directory, name))


def kept(directory: str, boot: Boot) -> t.Optional[Verdict]:
    """The verdict that stands; None when there is none, or when another try could end otherwise."""
    told = _load(os.path.join(directory, f"{boot.report}.json"))
    settled = told.get("verdict") in ("pass", "fail") and told.get("reason") != "timeout"
    return told if settled and told.get("image", {}).get("sha256") == boot.sha256 else None


def host(version: str) -> str:
    """What an accelerator depends on. version: of QEMU."""
    return f"{platform.release()}; {version}"


def png(pixmap: bytes) -> bytes:
    """A screen as QEMU dumps it (binary portable pixmap, 8 bits) as PNG; empty for what is no such pixmap."""
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", pixmap)
    if not head:
        return b""
    width, height = int(head[1]), int(head[2])
    start, row = head.end(), width * 3
    lines = b"".join(b"\0" + pixmap[begin:begin + row] for begin in range(start, start + height * row, row))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)


def _load(path: str) -> t.Dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
