# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Files from an rsync daemon, by the rsync program. What it brings proves nothing: the caller knows size and SHA-256.

Every file is there, maybe empty, before the program starts, and --append writes to that very file what is missing at
its end. So nothing is ever made or removed under a name the daemon says, and a transfer that broke off goes on. The
daemon follows its own symbolic links (--copy-links, mirrors have stable -> trixie): a link is never brought here.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import Address, userinfo
from ansible_collections.egi.cmd.plugins.module_utils._mirror.exchange import Absent, Fault
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source

LOTS = 2  # one is checked while the next one arrives
_CONNECT = 10.0  # seconds, as for HTTP
_TICK = 0.2  # seconds between two looks at what is under way
_ENDING = 10.0  # seconds
_MOST_SAID = 1 << 20  # bytes of the program's messages that are read

_SINGLE = (0, 23, 24)  # exit codes, rsync(1): all is well, or something is the matter with single files
_FULL = ("No space left on device", "Disk quota exceeded")
_ABOUT = re.compile(r'"/?([^"]+)"(?: \(in [^)]*\))?(?: failed)?: (.+?) \((\d+)\)')
_GONE = re.compile(r'file has vanished: "/?([^"]+)"')
_ABSENT = (str(errno.ENOENT), str(errno.ENOTDIR))


class Rsync:
    """The rsync program, for the daemons of one source. Safe for threads."""

    def __init__(self, source: Source, timeout: float, limit: t.Optional[int], least: int, stopped: t.Callable[[], bool]) -> None:
        """timeout: seconds of silence, and the window ``least``, in bytes per second, is measured over. limit: bytes per second."""
        self._program = shutil.which("rsync")
        if self._program is None:
            raise Failure(f"fetch from source {source.name!r}", "it has an rsync URL, and rsync is not installed",
                          "Install the package rsync, or give an http or https URL")
        self._timeout = timeout
        self._limit = limit
        self._least = least
        self._stopped = stopped
        self._turn = threading.Lock()  # daemons count connections and turn away the next, and the program is told the whole limit
        self._proxy = _proxy(source.proxy) if source.proxy else ""

    def bring(
        self, address: Address, files: t.Mapping[str, str], most: int, work: str, received: t.Callable[[], int], hold: t.Sequence[int] = (),
    ) -> t.Dict[str, Fault]:
        """Append to local files what they lack; return what the daemon said about single ones.

        files: path below the address -> local file, which exists. most: no file of more bytes is sent. work: a directory
        on the same file system. received: counts the bytes of these files. hold: descriptors the program keeps open, so
        that the locks on them end with it and not with this process. Raises Fault when the transfer as a whole failed,
        what arrived before stays; OSError when our own disk did.
        """
        with tempfile.TemporaryDirectory(prefix="rsync-", dir=work) as target:
            for path, local in files.items():
                place = os.path.join(target, address.base + path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.link(local, place)
            before = received()
            try:
                code, said = self._run(["--append", f"--max-size={most}"], address, list(files), target, received, hold)
            except Fault as fault:
                fault.reached = received() > before
                raise
        if any(text in said for text in _FULL):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), work)
        if code not in _SINGLE:
            raise _broken(code, said, received() > before)
        return _about(said, address.base, files)

    def read(self, address: Address, path: str, most: int) -> bytes:
        """One small file. Raises Absent, Fault."""
        with tempfile.TemporaryDirectory(prefix="egi-rsync-") as work:
            local = os.path.join(work, "file")
            with open(local, "wb"):
                pass
            for fault in self.bring(address, {path: local}, most, work, lambda: os.stat(local).st_size).values():
                raise fault
            with open(local, "rb") as file:
                content = file.read()
        if not content:
            raise Fault(f"it is empty, larger than {most} bytes, or not a regular file", final=True)
        return content

    def sizes(self, address: Address, paths: t.Sequence[str]) -> t.Dict[str, int]:
        """How many bytes the daemon says files have, without fetching them; those it does not have are left out."""
        with tempfile.TemporaryDirectory(prefix="egi-rsync-") as target:
            code, said = self._run(["--dry-run", "--out-format=%l %n"], address, paths, target, None)
        if code not in _SINGLE:
            raise _broken(code, said, False)
        listed = {path: size for size, _blank, path in (line.partition(" ") for line in said.splitlines())}
        told = {path: listed.get(address.base + path, "") for path in paths}
        return {path: int(size) for path, size in told.items() if size.isdecimal() and len(size) < 16}

    def _run(
        self, task: t.Sequence[str], address: Address, paths: t.Sequence[str], target: str, received: t.Optional[t.Callable[[], int]],
        hold: t.Sequence[int] = (),
    ) -> t.Tuple[int, str]:
        """Run the program to its end, one at a time; return exit code and messages. received: bytes so far, None if none are
        to come. Raises Fault when we ended it."""
        while not self._turn.acquire(timeout=_TICK):
            if self._stopped():
                raise Fault("stopped on request")
        try:
            return self._run_now(task, address, paths, target, received, hold)
        finally:
            self._turn.release()

    def _run_now(
        self, task: t.Sequence[str], address: Address, paths: t.Sequence[str], target: str, received: t.Optional[t.Callable[[], int]],
        hold: t.Sequence[int],
    ) -> t.Tuple[int, str]:
        limit = [f"--bwlimit={max(1, self._limit // 1024)}"] if self._limit else []
        command = [
            str(self._program), *task, "--copy-links", "--no-implied-dirs", "--from0", "--files-from=-", "--8-bit-output", "--no-motd",
            f"--timeout={math.ceil(self._timeout)}", f"--contimeout={math.ceil(min(self._timeout, _CONNECT))}", *limit, address.module, target + "/",
        ]
        with tempfile.TemporaryFile() as names:
            # From the root of the module: given a directory below it, the daemon of rsync 3.5.0 says every listed file has vanished.
            names.write(b"".join((address.base + path).encode() + b"\0" for path in paths))
            names.seek(0)
            process = subprocess.Popen(command, stdin=names, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment(address),
                                       pass_fds=hold, start_new_session=True)
        try:
            why, said = self._watch(process, received)
            if not why:  # it has closed its end, and is about to end itself
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_ENDING)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            if process.stdout:
                process.stdout.close()
        if why:
            raise Fault(why)
        return code, "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in said)

    def _watch(self, process: subprocess.Popen[bytes], received: t.Optional[t.Callable[[], int]]) -> t.Tuple[str, str]:
        """Wait for the program; return why it has to be ended, if it has, and its messages."""
        pipe = process.stdout.fileno() if process.stdout else -1
        said = bytearray()
        since, before = time.monotonic(), received() if received else 0
        while True:
            if select.select([pipe], [], [], _TICK)[0]:
                data = os.read(pipe, 1 << 16)
                if not data:
                    return "", said.decode("utf-8", "replace")
                said += data[:_MOST_SAID - len(said)]
            if self._stopped():
                return "stopped on request", ""
            now = time.monotonic()
            count = received() - before if received else 0
            if received and now - since >= self._timeout:
                if count < self._least * (now - since):
                    return f"it sent {count} bytes in {now - since:.0f} s", ""
                since, before = now, before + count

    def _environment(self, address: Address) -> t.Dict[str, str]:
        """No other variable of ours may change what it does; HOME is where it looks for aliases."""
        given = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nonexistent"}
        if self._proxy:
            given["RSYNC_PROXY"] = self._proxy
        if address.account:
            given["RSYNC_PASSWORD"] = address.account.password
        return given


def _proxy(url: str) -> str:
    """A proxy's URL as RSYNC_PROXY has it."""
    parts, login = urlsplit(url), userinfo(url)
    return (f"{login.user}:{login.password}@" if login else "") + f"{parts.hostname}:{parts.port or 80}"


def _about(said: str, base: str, files: t.Collection[str]) -> t.Dict[str, Fault]:
    """What the messages say about single files. base: where these are below the module."""
    named = {path: Absent() if code in _ABSENT else Fault(why[:200], final=True) for path, why, code in _ABOUT.findall(said)}
    named.update({path: Absent() for path in _GONE.findall(said)})
    return {path: named[base + path] for path in files if base + path in named}


def _broken(code: int, said: str, grown: bool) -> Fault:
    """Why a whole transfer failed. A daemon that turned us away for what we are or ask is not asked again."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    refusal = next((line[len("@ERROR:"):].strip() for line in lines if line.startswith("@ERROR:")), "")
    if refusal:
        return Fault(f"the daemon says: {refusal[:200]}", reached=False, final="max connections" not in refusal)
    why = lines[0][:200] if lines else f"rsync ended with code {code}"
    return Fault(why, reached=grown)
