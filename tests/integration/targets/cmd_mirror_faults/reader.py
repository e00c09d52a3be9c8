# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of a mirror that never rest and note everything that does not fit together.

As a program (URL, number of packages asked for in each poll) it reads until its standard input ends, and then says as
JSON what it saw.
"""

from __future__ import annotations

import calendar
import gzip
import hashlib
import http.client
import json
import os
import random
import re
import select
import subprocess
import sys
import time
import typing as t
from urllib.parse import urlsplit

_PAUSE = 0.001  # seconds between two polls: what is read has to get on as well

_Wanted = t.List[t.Tuple[str, str]]  # path and SHA-256


class Readers:
    """Processes that read, until the with block ends. polls: how often all of them did; states: SHA-256 of every InRelease
    they met; anomalies: what did not fit together."""

    def __init__(self, url: str, processes: int = 1, sample: int = 12) -> None:
        self._command = [sys.executable, __file__, url, str(sample)]
        self._count = processes
        self._processes: t.List[subprocess.Popen[str]] = []
        self.polls = 0
        self.states: t.Set[str] = set()
        self.anomalies: t.List[str] = []

    def __enter__(self) -> Readers:
        self._processes = [subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _number in range(self._count)]
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes:
            found = json.loads(process.communicate(timeout=60)[0])
            self.polls += found["polls"]
            self.states.update(found["states"])
            self.anomalies += found["anomalies"]


class _Reader:
    """Polls the sources deb and rpm of a set like apt (by-hash) and dnf do."""

    def __init__(self, url: str, sample: int) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=10)
        self._base = parts.path
        self._sample = sample
        self._random = random.Random(os.getpid())
        self._listed: t.Dict[str, _Wanted] = {}  # by the digest of the index
        self.polls = 0
        self.states: t.Set[str] = set()
        self.anomalies: t.List[str] = []

    def read(self) -> None:
        """Poll until standard input ends."""
        while not select.select([sys.stdin], [], [], _PAUSE)[0]:
            try:
                self._poll()
            except Exception as error:  # told to whoever looks at anomalies
                self.anomalies.append(repr(error))
                self._connection.close()
            self.polls += 1

    def _poll(self) -> None:
        head = self._get("deb/dists/suite/InRelease")
        repomd = self._get("rpm/repodata/repomd.xml")
        again = self._get("deb/dists/suite/InRelease")
        self.states.add(hashlib.sha256(head).hexdigest())
        self._deb(head)
        self._rpm(repomd)
        # Both change together: with the same suite before and after, the repository in between is of the same state.
        dated = re.search(rb"^Date: (.*)$", head, re.MULTILINE)
        if head == again and dated:
            revision = re.search(rb"<revision>(\d+)<", repomd)
            seconds = _seconds(dated.group(1).decode())
            if not revision or int(revision.group(1)) != seconds:
                self.anomalies.append(f"suite of {seconds} with repository of {revision}")

    def _deb(self, head: bytes) -> None:
        found = re.search(rb"^ ([0-9a-f]{64}) +\d+ main/binary-amd64/Packages\.gz$", head, re.MULTILINE)
        if not found:
            self.anomalies.append("InRelease without Packages.gz")
            return
        digest = found.group(1).decode()
        packed = self._get(f"deb/dists/suite/main/binary-amd64/by-hash/SHA256/{digest}")
        if hashlib.sha256(packed).hexdigest() != digest:
            self.anomalies.append(f"by-hash {digest} is another content")
            return
        if digest not in self._listed:
            text = gzip.decompress(packed).decode()
            self._listed[digest] = list(zip(re.findall(r"^Filename: (.*)$", text, re.MULTILINE), re.findall(r"^SHA256: (.*)$", text, re.MULTILINE)))
        self._packages("deb", self._listed[digest])

    def _rpm(self, repomd: bytes) -> None:
        found = re.search(rb'href="(repodata/([0-9a-f]{64})-primary.xml.gz)"', repomd)
        if not found:
            self.anomalies.append("repomd.xml without primary")
            return
        packed = self._get(f"rpm/{found.group(1).decode()}")
        digest = found.group(2).decode()
        if hashlib.sha256(packed).hexdigest() != digest:
            self.anomalies.append("primary is another content")
            return
        if digest not in self._listed:
            text = gzip.decompress(packed).decode()
            self._listed[digest] = list(zip(re.findall(r'location href="(.*?)"', text), re.findall(r'pkgid="YES">(.*?)<', text)))
        self._packages("rpm", self._listed[digest])

    def _packages(self, source: str, wanted: _Wanted) -> None:
        if not wanted:
            self.anomalies.append(f"an empty index of {source}")
        for path, digest in self._random.sample(wanted, min(self._sample, len(wanted))):
            if hashlib.sha256(self._get(f"{source}/{path}")).hexdigest() != digest:
                self.anomalies.append(f"{path} is another content")

    def _get(self, path: str) -> bytes:
        self._connection.request("GET", f"{self._base}/{path}")
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            self.anomalies.append(f"{path}: {answer.status}")
        return content


def _seconds(date: str) -> int:
    return calendar.timegm(time.strptime(date, "%a, %d %b %Y %H:%M:%S %Z"))


if __name__ == "__main__":
    _reader = _Reader(sys.argv[1], int(sys.argv[2]))
    _reader.read()
    print(json.dumps({"polls": _reader.polls, "states": sorted(_reader.states), "anomalies": _reader.anomalies}))
