# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx on loopback, near and through a delay, and what its access log says."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import socket
import subprocess
import sys
import time
import typing as t

NEAR, FAR = "127.0.0.2", "127.0.0.3"
ROUND_TRIP = 0.020
_NGINX = """daemon off; worker_processes 1; {user} pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{ sendfile on; tcp_nodelay on; keepalive_requests 100000; open_file_cache off; default_type application/octet-stream;
  log_format bench '$status $body_bytes_sent $connection $request_uri'; access_log {work}/access.log bench;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{ listen {host}:{port} backlog=1024; root {work}/files; }} }}
"""


class Request(t.NamedTuple):
    """A line of the access log."""

    status: int
    sent: int
    connection: str
    path: str


class Server:
    """One nginx worker that serves <work>/files. port 80: apt-mirror drops any other from its paths."""

    def __init__(self, work: pathlib.Path, port: int) -> None:
        self._log = work / "access.log"
        self._port = port
        suffix = "" if port == 80 else f":{port}"
        self.near, self.far = f"http://{NEAR}{suffix}", f"http://{FAR}{suffix}"

    def forget(self) -> None:
        """Start the log anew; nginx appends to it."""
        os.truncate(self._log, 0)

    def count(self) -> int:
        """How many requests were answered since forget()."""
        return self._log.read_bytes().count(b"\n")

    def requests(self) -> t.List[Request]:
        """What was asked since forget()."""
        time.sleep(0.02)  # the last line is written after the client has its answer
        lines = (line.split(" ", 3) for line in self._log.read_text().splitlines())
        return [Request(int(status), int(sent), connection, path) for status, sent, connection, path in lines]

    def round_trip(self, path: str, count: int = 50) -> float:
        """Seconds of one small request over the delay, the connection being open: the proof that the delay is right."""
        connection = http.client.HTTPConnection(FAR, self._port)
        began = 0.0
        for number in range(count + 1):
            if number == 1:
                began = time.perf_counter()
            connection.request("GET", path, headers={"Range": "bytes=0-0"})
            connection.getresponse().read()
        connection.close()
        return (time.perf_counter() - began) / count


@contextlib.contextmanager
def serving(work: pathlib.Path, port: int = 0) -> t.Iterator[Server]:
    """Serve <work>/files near and far. port: 0 for any that is free."""
    if not port:
        with socket.create_server((NEAR, 0)) as probe:
            port = probe.getsockname()[1]
    user = "" if os.geteuid() else "user root;"
    (work / "nginx.conf").write_text(_NGINX.format(work=work, host=NEAR, port=port, user=user))
    delay = pathlib.Path(__file__).with_name("delay.py")
    with contextlib.ExitStack() as stack:
        for command, host in (
            (["nginx", "-e", f"{work}/error.log", "-c", f"{work}/nginx.conf"], NEAR),
            ([sys.executable, str(delay), FAR, NEAR, str(port), str(ROUND_TRIP)], FAR),
        ):
            process = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            stack.callback(process.terminate)
            _wait_for(host, port, command[0])
        yield Server(work, port)


def _wait_for(host: str, port: int, what: str) -> None:
    for _turn in range(50):
        with contextlib.suppress(OSError), socket.create_connection((host, port)):
            return
        time.sleep(0.1)
    raise SystemExit(f"{what} does not start")
