# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the standard site's rpm repository on the repository host, each with one thing wrong; signed by real gpg."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import typing as t
from pathlib import Path

URL = "http://repo.demo.example/faults"
_SOURCE = "srv/repository/cmd-os-1/el9/updates/x86_64"


class Signer(t.Protocol):
    """Something that signs with the repository host's gpg; see repository_set_faults/archive.py."""

    def detach_sign(self, path: str, fingerprint: str) -> None:
        """Write the detached signature beside path."""


class RpmRepositories:
    """Repositories below URL, good and bad. root: of the repository host."""

    def __init__(self, root: Path, signer: Signer, fingerprint: str, stranger: str) -> None:
        self.root, self.signer = root, signer
        for name in ("good", "more"):
            self._publish(name, fingerprint)
        self._publish("strange", stranger)
        self._publish("unsigned", None)
        changed = self._publish("changed", fingerprint)
        (changed / "repodata/repomd.xml").write_text((changed / "repodata/repomd.xml").read_text() + "<!-- later -->\n")
        page = self._publish("page", None)
        (page / "repodata/repomd.xml").write_text("<html><body>Please log in</body>\n")
        _replace_primary(self._publish("mixed", None), b"<metadata/>", keep_promise=False)
        _replace_primary(self._publish("malformed", None), b"<metadata><package><name>x</oops>", keep_promise=True)

    def _publish(self, name: str, fingerprint: t.Optional[str]) -> Path:
        directory = self.root / "srv/repository/faults" / name
        shutil.copytree(self.root / _SOURCE, directory)
        (directory / "repodata/repomd.xml.asc").unlink()
        if fingerprint:
            self.signer.detach_sign(f"/srv/repository/faults/{name}/repodata/repomd.xml", fingerprint)
        return directory


def _replace_primary(repository: Path, content: bytes, keep_promise: bool) -> None:
    """Put other bytes where primary metadata is; keep_promise: with a repomd.xml that promises just these bytes."""
    repomd = repository / "repodata/repomd.xml"
    (old,) = (repository / "repodata").glob("*primary.xml.*")
    packed = gzip.compress(content, mtime=0)
    if not keep_promise:
        old.write_bytes(packed)
        return
    digest = hashlib.sha256(packed).hexdigest()
    before, primary, after = re.split(r'(<data type="primary">.*?</data>)', repomd.read_text(), flags=re.DOTALL)
    primary = f'<data type="primary"><checksum type="sha256">{digest}</checksum><location href="repodata/{digest}-primary.xml.gz"/></data>'
    repomd.write_text(before + primary + after)
    old.with_name(f"{digest}-primary.xml.gz").write_bytes(packed)
    old.unlink()
