# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One HTTP connection on standard input and output: a static mirror, or the EC2 instance metadata service, version 2.

QEMU starts this program for every connection a guest makes. It is given to Python as a file of its own and imports nothing
but the standard library. ``SETTINGS.json`` holds {"hosts": {name: directory}} for a mirror, {"metadata": directory} else.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import typing as t
import urllib.parse

_TOKEN = "egi-cmd-token"  # there is one guest on this service's net, and nothing of worth in it
_PLAIN = "text/plain"
Answer = t.Tuple[int, t.Union[bytes, str]]  # status; content, or the path of a file


def main(settings: str) -> None:
    """Serve requests until the other end closes."""
    with open(settings, encoding="utf-8") as file:
        told = json.load(file)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while True:
        request = source.readline(65537).split()
        if len(request) != 3:
            return
        headers = _headers(source)
        source.read(int(headers.get("content-length", "0")))
        method, path = request[0].decode("latin-1"), urllib.parse.unquote(urllib.parse.urlsplit(request[1].decode("latin-1")).path)
        answer = metadata(told["metadata"], method, path, headers) if "metadata" in told else mirror(told["hosts"], method, path, headers)
        _send(target, answer, method == "HEAD")
        if headers.get("connection", "").lower() == "close":
            return


def metadata(root: str, method: str, path: str, headers: t.Mapping[str, str]) -> Answer:
    """Answer as the metadata service does: a token first, then any version's tree."""
    if path == "/latest/api/token":
        return (200, _TOKEN.encode()) if method == "PUT" and "x-aws-ec2-metadata-token-ttl-seconds" in headers else (400, b"")
    if method not in ("GET", "HEAD"):
        return 405, b""
    if headers.get("x-aws-ec2-metadata-token") != _TOKEN:
        return 401, b""
    _version, _slash, rest = path.lstrip("/").partition("/")
    place = _inside(os.path.join(root, "latest"), rest)
    if place and os.path.isdir(place):
        names = sorted(os.listdir(place))
        if os.path.basename(place) == "public-keys":
            return 200, "\n".join(f"{name}=key{name}" for name in names).encode()
        return 200, "\n".join(name + ("/" if os.path.isdir(os.path.join(place, name)) else "") for name in names).encode()
    return (200, place) if place else (404, b"")


def mirror(hosts: t.Mapping[str, str], method: str, path: str, headers: t.Mapping[str, str]) -> Answer:
    """Answer with a file of the directory that the named host has."""
    root = hosts.get(headers.get("host", "").partition(":")[0].lower())
    if method not in ("GET", "HEAD"):
        return 405, b""
    place = _inside(root, path) if root else None
    return (200, place) if place and os.path.isfile(place) else (404, b"")


def _inside(root: str, path: str) -> t.Optional[str]:
    """The place of a path below a directory, if there is one; links lead where they lead, but not out."""
    top = os.path.realpath(root)
    place = os.path.realpath(os.path.join(top, path.lstrip("/")))
    return place if os.path.exists(place) and os.path.commonpath([top, place]) == top else None


def _headers(source: t.BinaryIO) -> t.Dict[str, str]:
    headers = {}
    for line in iter(lambda: source.readline(65537).strip(), b""):
        name, _colon, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _send(target: t.BinaryIO, answer: Answer, head: bool) -> None:
    status, content = answer
    size = os.path.getsize(content) if isinstance(content, str) else len(content)
    target.write(f"HTTP/1.1 {status} -\r\nContent-Type: {_PLAIN}\r\nContent-Length: {size}\r\n\r\n".encode())
    if not head and isinstance(content, str):
        with open(content, "rb") as file:
            shutil.copyfileobj(file, target)
    elif not head:
        target.write(t.cast(bytes, content))
    target.flush()


if __name__ == "__main__":
    main(sys.argv[1])
