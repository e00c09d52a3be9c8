# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Connections to upstreams: kept alive, lent to one exchange at a time, cut when they stall."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import PORTS, Origin, basic, userinfo
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source

_CONNECT = 10.0  # seconds to connect in: whoever is there answers sooner, and nothing can interrupt it
_TICK = 0.2  # seconds between two looks at what is under way


class Proxy(NamedTuple):
    """An HTTP proxy: http is asked of it whole, https tunnelled through it."""

    host: str
    port: int
    headers: Dict[str, str]


class Line:
    """One connection, and how much came over it."""

    def __init__(self, origin: Origin, connection: http.client.HTTPConnection, prefix: str, headers: Dict[str, str]) -> None:
        """prefix: what comes before the path in a request line; headers: what every request over it carries."""
        self.origin = origin
        self.connection = connection
        self.prefix = prefix
        self.headers = headers
        self.sock: Optional[socket.socket] = None  # the connection forgets it when the reply will be its last
        self.used = False  # it has carried an exchange before
        self.received = 0
        self.paused = False  # our own limit holds it back
        self.cut = ""  # why the watch ended it

    def stale(self) -> bool:
        """Return whether the other side closed it, or sent what nobody asked for, while it was idle."""
        if self.connection.sock is None:
            return True
        poll = select.poll()
        poll.register(self.connection.sock, select.POLLIN)
        return bool(poll.poll(0))

    def abort(self, why: str) -> None:
        """End the exchange from another thread; the one that reads sees the connection end."""
        self.cut = self.cut or why
        sock = self.sock or self.connection.sock
        if sock is not None:
            try:
                # The plain socket's way: SSLSocket.shutdown() takes the TLS state away under the reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass


class Watch:
    """Ends exchanges that bring fewer than ``least`` bytes a second over ``window`` seconds, and all on ``stopped()``.

    A socket's time-out starts anew with every byte, so it alone lets a server drip for ever.
    """

    def __init__(self, window: float, least: int, stopped: Callable[[], bool]) -> None:
        self._window = window
        self._least = least
        self._stopped = stopped
        self._marks: Dict[Line, Tuple[float, int]] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._thread: Optional[threading.Thread] = None

    def add(self, line: Line) -> None:
        """Begin to watch a line."""
        with self._wake:
            self._marks[line] = (time.monotonic(), line.received)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mirror-watch", daemon=True)
                self._thread.start()
            if len(self._marks) == 1:
                self._wake.notify()

    def remove(self, line: Line) -> None:
        """End watching a line."""
        with self._wake:
            self._marks.pop(line, None)

    def close(self) -> None:
        """End the watch."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _run(self) -> None:
        with self._wake:
            while not self._closed:
                self._wake.wait(_TICK if self._marks else None)
                stopped = self._stopped()
                for line, mark in list(self._marks.items()):
                    if stopped:
                        line.abort("stopped on request")
                    else:
                        self._look(line, mark)

    def _look(self, line: Line, mark: Tuple[float, int]) -> None:
        since, before = mark
        now = time.monotonic()
        if line.paused:
            self._marks[line] = (now, line.received)
        elif now - since >= self._window:
            if line.received - before < self._least * (now - since):
                line.abort(f"it sent {line.received - before} bytes in {now - since:.0f} s")
            self._marks[line] = (now, line.received)


class Connections:
    """Idle connections by origin; opens new ones with the source's proxy, authorities and client certificate."""

    def __init__(self, source: Source, own: Set[Origin], timeout: float) -> None:
        """own: the origins of the source's URLs; no other is shown the client certificate."""
        self._source = source
        self._own = own
        self._timeout = timeout
        self._connecting = min(timeout, _CONNECT)
        self._proxy = _proxy(source.proxy) if source.proxy else None
        self._idle: Dict[Origin, List[Line]] = {}
        self._contexts: Dict[bool, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        if any(origin.scheme == "https" for origin in own):
            self._context(True)  # a certificate that cannot be read is told before anything is fetched

    def lend(self, origin: Origin, fresh: bool = False) -> Line:
        """Return an idle connection to an origin, else one that is yet to be opened; fresh: never an idle one."""
        while not fresh:
            with self._lock:
                idle = self._idle.get(origin)
                line = idle.pop() if idle else None
            if line is None:
                break
            if not line.stale():
                return line
            line.connection.close()
        return self._new(origin)

    def connect(self, line: Line) -> None:
        """Open a lent connection. Raises what http.client raises."""
        line.connection.connect()
        line.sock = line.connection.sock
        line.sock.settimeout(self._timeout)

    def give_back(self, line: Line) -> None:
        """Keep a connection for the next exchange."""
        line.used = True
        with self._lock:
            self._idle.setdefault(line.origin, []).append(line)

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for lines in self._idle.values():
                for line in lines:
                    line.connection.close()
            self._idle.clear()

    def _new(self, origin: Origin) -> Line:
        host, port = (self._proxy.host, self._proxy.port) if self._proxy else (origin.host, origin.port)
        if origin.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._connecting, context=self._context(origin in self._own)
            )
            if self._proxy:
                connection.set_tunnel(origin.host, origin.port, self._proxy.headers)
            return Line(origin, connection, "", {})
        connection = http.client.HTTPConnection(host, port, timeout=self._connecting)
        if not self._proxy:
            return Line(origin, connection, "", {})
        return Line(origin, connection, f"http://{authority(origin)}", self._proxy.headers)

    def _context(self, own: bool) -> ssl.SSLContext:
        with self._lock:
            if own not in self._contexts:
                self._contexts[own] = _tls(self._source, own)
            return self._contexts[own]


def authority(origin: Origin) -> str:
    """Return host, and port unless it is the scheme's own, as a URL has them."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == PORTS[origin.scheme] else f"{host}:{origin.port}"


def _tls(source: Source, own: bool) -> ssl.SSLContext:
    action = f"prepare TLS for source {source.name!r}"
    try:
        context = ssl.create_default_context(cafile=source.ca_certificate)
    except (OSError, ValueError) as error:
        raise Failure(action, f"{source.ca_certificate}: {_reason(error)}", "Name a readable PEM file of certificate authorities") from error
    if own and source.client_certificate:
        try:
            # An encrypted key must not make a timer's run wait for a person at a prompt.
            context.load_cert_chain(source.client_certificate, source.client_key, password="")
        except (OSError, ValueError) as error:
            files = " and ".join(name for name in (source.client_certificate, source.client_key) if name)
            raise Failure(action, f"{files}: {_reason(error)}", "Name a certificate and its unencrypted key, both PEM and readable") from error
    return context


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _proxy(url: str) -> Proxy:
    action, remedy = "use the proxy of a source", "Write it like http://proxy.example.org:3128"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise Failure(action, "its host or port is not valid", remedy) from error
    if parts.scheme != "http" or not host:
        raise Failure(action, "it is not an http:// URL with a host", remedy)
    login = userinfo(url)
    return Proxy(host, port, {"Proxy-Authorization": basic(*login)} if login else {})
