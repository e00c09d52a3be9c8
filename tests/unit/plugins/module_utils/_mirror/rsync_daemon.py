# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real rsync daemon on loopback, behind a gate that can cut or hold its connections."""

from __future__ import annotations

import collections
import contextlib
import pathlib
import shutil
import socket
import subprocess
import threading
import typing as t

MISSING = shutil.which("rsync") is None


class Gate(t.NamedTuple):
    """What happens to a connection after so many bytes from the daemon: it is closed, or nothing more comes."""

    after: int
    hold: bool = False


class Daemon:
    """Serves a directory as the module ``site``, as ``narrow`` to one connection at a time, and as ``closed`` to the user
    joe whose password is in ``password``.

    gates: for the next connections. connections: how many there were.
    """

    password = "not&shown"

    def __init__(self, work: pathlib.Path, files: t.Mapping[str, bytes]) -> None:
        self.directory = work / "site"
        self.put(files)
        self.gates: t.Deque[Gate] = collections.deque()
        self.connections = 0
        self._config = work / "rsyncd.conf"
        secrets = work / "secrets"
        secrets.write_text(f"joe:{self.password}\n")
        secrets.chmod(0o600)
        self._config.write_text(f"use chroot = no\nlog file = {work}/rsyncd.log\n[site]\npath = {self.directory}\n"
                                f"[narrow]\npath = {self.directory}\nmax connections = 1\nlock file = {work}/rsyncd.lock\n"
                                f"[closed]\npath = {self.directory}\nauth users = joe\nsecrets file = {secrets}\n")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: t.List[socket.socket] = []
        self.place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"rsync://{self.place}/site/"

    def put(self, files: t.Mapping[str, bytes]) -> None:
        """Write files into the directory."""
        for path, content in files.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_bytes(content)

    def __enter__(self) -> Daemon:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self.connections += 1
                gate = self.gates.popleft() if self.gates else Gate(1 << 60)
                threading.Thread(target=self._talk, args=(client, gate), daemon=True).start()

    def _talk(self, client: socket.socket, gate: Gate) -> None:
        """Start a daemon for one connection, as inetd does, and pass on what is said."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs = listener.accept()[0]
        with theirs:
            process = subprocess.Popen(["rsync", "--daemon", f"--config={self._config}"], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        self._open += [client, ours]
        threading.Thread(target=_pass, args=(client, ours, 1 << 60), daemon=True).start()
        _pass(ours, client, gate.after)
        if gate.hold:
            with contextlib.suppress(OSError):
                while client.recv(1):
                    pass
        for sock in (client, ours):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        process.wait()


def _pass(source: socket.socket, target: socket.socket, most: int) -> None:
    with contextlib.suppress(OSError):
        while most > 0:
            data = source.recv(min(65536, most))
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
            most -= len(data)
