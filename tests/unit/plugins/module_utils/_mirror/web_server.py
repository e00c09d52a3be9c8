# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on loopback for tests: honest unless told, request by request, how to lie."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import select
import socket
import ssl
import threading
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, Wanted

Fault = t.Callable[["Request"], bool]  # answers a request; returns whether the connection stays open


class Request(t.NamedTuple):
    """One request as it came."""

    server: Upstream
    sock: socket.socket
    target: str
    headers: t.Mapping[str, str]  # names in lower case
    method: str = "GET"

    @property
    def path(self) -> str:
        """Without scheme and host, which a proxy is given."""
        return "/" + self.target.split("/", 3)[3] if self.target.startswith("http://") else self.target

    def send(self, status: int, body: bytes = b"", length: t.Optional[int] = None, **headers: str) -> None:
        """Send an answer; length: another Content-Length than the body's."""
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body) if length is None else length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode() + (b"" if self.method == "HEAD" else body))

    def serve(self) -> bool:
        """Answer honestly."""
        content = self.server.files.get(self.path)
        if content is None:
            self.send(404, b"not here")
            return True
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        if self.headers.get("if-none-match") == tag:
            self.sock.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        elif "range" in self.headers:
            start = int(self.headers["range"][len("bytes="):-1])
            self.send(206, content[start:], Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send(200, content, ETag=tag)
        return True


class Upstream:
    """Serves files by path. faults: what answers the next requests for a path instead; always: all of them."""

    def __init__(self, files: t.Mapping[str, bytes], tls: t.Optional[ssl.SSLContext] = None) -> None:
        self.files = dict(files)
        self.faults: t.DefaultDict[str, t.Deque[Fault]] = collections.defaultdict(collections.deque)
        self.always: t.Optional[Fault] = None
        self.requests: t.List[Request] = []
        self.connections = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: t.Set[socket.socket] = set()
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"

    def __enter__(self) -> Upstream:
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
                sock = self._listener.accept()[0]
                self.connections += 1
                self._open.add(sock)
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.add(sock)
            with sock.makefile("rb") as stream:
                while self._answer(sock, stream):
                    pass
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def _answer(self, sock: socket.socket, stream: t.BinaryIO) -> bool:
        line = stream.readline().split()
        if not line:
            return False
        headers = {}
        for raw in iter(stream.readline, b"\r\n"):
            name, _colon, value = raw.decode().partition(":")
            headers[name.lower()] = value.strip()
        request = Request(self, sock, line[1].decode(), headers, line[0].decode())
        self.requests.append(request)
        if line[0] == b"CONNECT":
            _tunnel(request)
            return False
        waiting = self.faults[request.path]
        fault = waiting.popleft() if waiting else self.always
        return fault(request) if fault else request.serve()


def _tunnel(request: Request) -> None:
    host, _colon, port = request.target.rpartition(":")
    with socket.create_connection((host, int(port))) as other:
        request.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        ways = {request.sock: other, other: request.sock}
        while True:
            for ready in select.select(list(ways), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                ways[ready].sendall(data)


def source(*urls: str, **settings: t.Any) -> Source:
    """Return a source with these URLs."""
    return Source("example", "deb", urls, **settings)


def wanted(path: str, content: bytes) -> Wanted:
    """Return what an index says of this content."""
    return Wanted(path, len(content), hashlib.sha256(content).hexdigest())


def unused_url() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


# Lies.


def status(code: int, **headers: str) -> Fault:
    """Refuse with a status."""

    def answer(request: Request) -> bool:
        request.send(code, b"sorry", **headers)
        return True

    return answer


def content(body: bytes, length: t.Optional[int] = None, **headers: str) -> Fault:
    """Send other content, or another length than it has; then close."""

    def answer(request: Request) -> bool:
        request.send(200, body, length, **headers)
        return False

    return answer


def cut_after(count: int) -> Fault:
    """Begin an honest answer and close after that many bytes of the body."""

    def answer(request: Request) -> bool:
        body = request.server.files[request.path]
        start = int(request.headers["range"][len("bytes="):-1]) if "range" in request.headers else 0
        span = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        request.send(206 if start else 200, body[start : start + count], len(body) - start, **span)
        return False

    return answer


def whole(request: Request) -> bool:
    """Send everything whatever range was asked for."""
    request.send(200, request.server.files[request.path])
    return True


def chunked(request: Request) -> bool:
    """Send the content in chunks, its length not told."""
    body = request.server.files[request.path]
    request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        request.sock.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    request.sock.sendall(b"0\r\n\r\n")
    return True


def drip(head: bytes) -> Fault:
    """Send the head, then a byte now and then, for ever."""

    def answer(request: Request) -> bool:
        request.sock.sendall(head)
        ended = threading.Event()
        while not ended.wait(0.05):
            request.sock.sendall(b"x")
        return False

    return answer


def silent(request: Request) -> bool:
    """Never answer."""
    request.sock.recv(1)
    return False


def hang_up(_request: Request) -> bool:
    """Close the connection without an answer."""
    return False


def nonsense(request: Request) -> bool:
    """Speak something else."""
    request.sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    return False
