# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository for members only: TLS with an authority of its own, client certificates, user and password."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import ssl
import subprocess
import threading
import typing as t
from pathlib import Path

PORT = 8998
LOGIN = "robot:s3cret"

_COMMANDS = """
set -e
cd /root/private
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority.example.org -keyout ca.key -out ca.pem
for name in localhost member; do
    openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
    printf "subjectAltName=DNS:$name" > $name.ext
    openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $name.ext -out $name.pem
done
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files to those who know the password."""

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(LOGIN.encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing: the requests of a test are no news."""


def make_certificates(root: Path) -> Path:
    """Let openssl of the repository host make an authority and two certificates; return where they are."""
    place = root / "root/private"
    place.mkdir(exist_ok=True)
    subprocess.run(["chroot", str(root), "sh", "-c", _COMMANDS], capture_output=True, check=True)
    return place


@contextlib.contextmanager
def serving(directory: Path, certificates: Path) -> t.Iterator[None]:
    """Serve a directory at https://localhost:PORT for a while."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "localhost.pem", certificates / "localhost.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), functools.partial(Handler, directory=str(directory)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
