# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One GET or HEAD: a request, the redirects it meets, and the body as a stream."""

from __future__ import annotations

import errno
import http.client
import io
import os
import ssl
import stat
import string
from email.message import Message
from typing import BinaryIO, Callable, Dict, Mapping, Optional, Tuple
from urllib.parse import quote, urljoin, urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import PORTS, Address, Origin
from ansible_collections.egi.cmd.plugins.module_utils._mirror.connections import Connections, Line, Watch, authority

MOST_REDIRECTS = 5
_DRAIN = 64 * 1024  # an error page longer than this costs more to read than a new connection
_MOVED = (301, 302, 303, 307, 308)


class Fault(Exception):
    """Why one attempt failed.

    reached: the server answered. final: the same URL will not do better. retry_after: seconds the server asked for.
    """

    def __init__(self, why: str, reached: bool = True, final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.reached = reached
        self.final = final
        self.retry_after = retry_after


class Absent(Fault):
    """A server that has no status codes does not have the file."""

    def __init__(self) -> None:
        super().__init__("not there", final=True)


class Reply:
    """A status, headers (names in any case) and a body that is read once, then closed."""

    def __init__(self, status: int, headers: Mapping[str, str], url: str, length: Optional[int]) -> None:
        """length: bytes of the body, None if the server did not tell."""
        self.status = status
        self.headers = headers
        self.url = url
        self.length = length

    def read(self, most: int) -> bytes:
        """Return the next bytes of the body as they arrive, empty at its end. Raises Fault."""
        raise NotImplementedError

    def pause(self, wait: Callable[[float], object], seconds: float) -> None:
        """Let our own limit hold the body back, which is not the server's slowness."""
        wait(seconds)

    def close(self) -> None:
        """Give the connection back; what is left of a long body ends it."""
        raise NotImplementedError


class HttpReply(Reply):
    """A reply that arrives over a line."""

    def __init__(self, response: http.client.HTTPResponse, line: Line, url: str, connections: Connections, watch: Watch) -> None:
        headers: Message = response.headers
        super().__init__(response.status, headers, url, None if response.chunked else response.length)  # type: ignore[arg-type, attr-defined]
        self._response = response
        self._line = line
        self._connections = connections
        self._watch = watch
        self._left = self.length
        self._ended = self._left == 0

    def read(self, most: int) -> bytes:
        if self._ended:
            return b""
        try:
            # Never beyond the body: read1() before Python 3.13 does not count down what is left of it.
            data = self._response.read1(most if self._left is None else min(most, self._left))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Fault(self._line.cut or f"the transfer broke off: {said(error)}") from error
        self._line.received += len(data)
        if self._left is not None:
            self._left -= len(data)
        if not data and (self._line.cut or self._left):
            raise Fault(self._line.cut or f"the transfer ended {self._left} bytes early")
        self._ended = not data or self._left == 0
        return data

    def pause(self, wait: Callable[[float], object], seconds: float) -> None:
        self._line.paused = True
        wait(seconds)
        self._line.paused = False

    def close(self) -> None:
        if not self._ended and self._left is not None and self._left <= _DRAIN:
            try:
                while self.read(_DRAIN):
                    pass
            except Fault:
                pass
        self._watch.remove(self._line)
        keep = self._ended and not self._line.cut and not self._response.will_close  # type: ignore[attr-defined]
        self._response.close()
        if keep:
            self._connections.give_back(self._line)
        else:
            self._line.connection.close()


class FileReply(Reply):
    """A reply read from a local file, or from nothing."""

    def __init__(self, status: int, headers: Mapping[str, str], url: str, file: BinaryIO, length: int) -> None:
        super().__init__(status, headers, url, length)
        self._file = file

    def read(self, most: int) -> bytes:
        try:
            return self._file.read(most)
        except OSError as error:
            raise Fault(said(error)) from error

    def close(self) -> None:
        self._file.close()


class Exchanges:
    """Asks the addresses of one source."""

    def __init__(self, connections: Connections, watch: Watch, own: Mapping[Origin, Optional[str]]) -> None:
        """own: the source's origins and the login of each."""
        self._connections = connections
        self._watch = watch
        self._own = own

    def ask(self, address: Address, path: str, headers: Mapping[str, str], start: int = 0, method: str = "GET") -> Reply:
        """GET, or HEAD, a path below an address, from byte ``start``. Raises Fault when no status came.

        The reply's status is 200, 206 (only to a start above 0, and from there), 304 or what the server said.
        """
        if address.origin is None:
            return _open_file(address, path, headers, start)
        wanted = {**headers, "Accept-Encoding": "identity", "User-Agent": "egi.cmd mirror"}
        if start:
            wanted["Range"] = f"bytes={start}-"
        origin, target = address.origin, address.target(path)
        for _hop in range(MOST_REDIRECTS + 1):
            reply = self._ask_once(origin, target, wanted, method)
            if reply.status not in _MOVED:
                if reply.status == 206 and not _from(reply, start):
                    reply.close()
                    raise Fault("it sent another range than was asked for", final=True)
                return reply
            reply.close()
            origin, target = _moved(reply)
        raise Fault(f"it redirects more than {MOST_REDIRECTS} times", final=True)

    def _ask_once(self, origin: Origin, target: str, headers: Mapping[str, str], method: str) -> HttpReply:
        line = self._connections.lend(origin)
        try:
            return self._over(line, target, headers, method)
        except Fault:
            # A server may close an idle connection just as it is used again: that says nothing about the server.
            if not line.used or line.cut:
                raise
        return self._over(self._connections.lend(origin, fresh=True), target, headers, method)

    def _over(self, line: Line, target: str, headers: Mapping[str, str], method: str) -> HttpReply:
        sent: Dict[str, str] = {**headers, **line.headers}
        login = self._own.get(line.origin)
        if login:
            sent["Authorization"] = login
        self._watch.add(line)
        try:
            if line.connection.sock is None:
                self._connections.connect(line)
            line.connection.request(method, line.prefix + target, headers=sent)
            response = line.connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._watch.remove(line)
            line.connection.close()
            raise Fault(line.cut or said(error), reached=False, final=isinstance(error, ssl.SSLCertVerificationError)) from error
        return HttpReply(response, line, f"{line.origin.scheme}://{authority(line.origin)}{target}", self._connections, self._watch)


def said(error: BaseException) -> str:
    """Return what an error says, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted: {error.verify_message}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, TimeoutError) or str(error) == "timed out":
        return "it did not answer in time"
    if isinstance(error, http.client.BadStatusLine):
        return "it does not speak HTTP"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _moved(reply: Reply) -> Tuple[Origin, str]:
    """Where a redirect leads: http or https, never from https down to http."""
    location = reply.headers.get("Location") or ""
    try:
        parts = urlsplit(urljoin(reply.url, location))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    shown = location.rpartition("@")[2][:200]
    if not host or parts.scheme not in PORTS:
        raise Fault(f"it redirects to {shown!r}, which is not an http or https URL", final=True)
    if reply.url.startswith("https:") and parts.scheme != "https":
        raise Fault(f"it redirects from https to {shown!r}, which is not protected", final=True)
    # Servers send blanks and bytes beyond ASCII, which http.client reads as Latin-1.
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=string.punctuation, encoding="latin-1", errors="replace")
    return Origin(parts.scheme, host, port or PORTS[parts.scheme]), target


def _from(reply: Reply, start: int) -> bool:
    """Whether a 206 begins where it was asked to (RFC 9110, section 14.4)."""
    unit, _blank, span = (reply.headers.get("Content-Range") or "").partition(" ")
    return start > 0 and unit == "bytes" and span.partition("-")[0] == str(start)


def _open_file(address: Address, path: str, headers: Mapping[str, str], start: int) -> Reply:
    """What an HTTP server would answer for a local file; its entity tag is size and time of change."""
    url = address.url(path)
    try:
        # O_NONBLOCK: a FIFO in its place must not stop the run.
        descriptor = os.open(address.target(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return FileReply(404, {}, url, io.BytesIO(), 0)
        raise Fault(said(error), final=True) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Fault("it is not a regular file", final=True)
    file = os.fdopen(descriptor, "rb", buffering=0)
    tags = {"ETag": f'"{found.st_size:x}-{found.st_mtime_ns:x}"', "Content-Length": str(found.st_size)}
    if headers.get("If-None-Match") == tags["ETag"]:
        file.close()
        return FileReply(304, tags, url, io.BytesIO(), 0)
    start = start if start < found.st_size else 0
    file.seek(start)
    return FileReply(206 if start else 200, tags, url, file, found.st_size - start)
