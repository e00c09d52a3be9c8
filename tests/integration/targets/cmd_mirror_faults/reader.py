# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of a mirror that never rests and notes everything that does not fit together."""

from __future__ import annotations

import calendar
import gzip
import hashlib
import http.client
import random
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

_SAMPLE = 12  # packages asked for in each poll


class Reader:
    """Polls the sources deb and rpm of a set like apt (by-hash) and dnf do, until the with block ends."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=10)
        self._base = parts.path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._random = random.Random(11)
        self.polls = 0
        self.states: t.Set[str] = set()
        self.anomalies: t.List[str] = []

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self._poll()
            except Exception as error:  # told to whoever looks at anomalies
                self.anomalies.append(repr(error))
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
        text = gzip.decompress(packed).decode()
        wanted = list(zip(re.findall(r"^Filename: (.*)$", text, re.MULTILINE), re.findall(r"^SHA256: (.*)$", text, re.MULTILINE)))
        self._packages("deb", wanted)

    def _rpm(self, repomd: bytes) -> None:
        found = re.search(rb'href="(repodata/([0-9a-f]{64})-primary.xml.gz)"', repomd)
        if not found:
            self.anomalies.append("repomd.xml without primary")
            return
        packed = self._get(f"rpm/{found.group(1).decode()}")
        if hashlib.sha256(packed).hexdigest() != found.group(2).decode():
            self.anomalies.append("primary is another content")
            return
        text = gzip.decompress(packed).decode()
        self._packages("rpm", list(zip(re.findall(r'location href="(.*?)"', text), re.findall(r'pkgid="YES">(.*?)<', text))))

    def _packages(self, source: str, wanted: t.List[t.Tuple[str, str]]) -> None:
        if not wanted:
            self.anomalies.append(f"an empty index of {source}")
        for path, digest in self._random.sample(wanted, min(_SAMPLE, len(wanted))):
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
