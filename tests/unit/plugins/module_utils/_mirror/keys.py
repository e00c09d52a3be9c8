# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away OpenPGP keys, made by the real gpg at any date."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

MISSING = not (shutil.which("gpg") and shutil.which("gpgv"))


class Keys:
    """A GnuPG home. at: the date gpg is made to believe in, 20200101T000000."""

    def __init__(self, home: str) -> None:
        self.home = home

    def make(self, name: str, algorithm: str = "ed25519", expires: str = "never", at: str = "", usage: str = "sign") -> str:
        """Make a key; return its fingerprint."""
        self._gpg("--quick-generate-key", f"{name} <{name}@example.org>", algorithm, usage, expires, at=at)
        listing = self._gpg("--with-colons", "--list-keys", f"{name}@example.org").decode()
        return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")][0]

    def add(self, fingerprint: str, algorithm: str, expires: str, at: str = "") -> None:
        """Give a key a subkey that signs."""
        self._gpg("--quick-add-key", fingerprint, algorithm, "sign", expires, at=at)

    def expire(self, fingerprint: str, expires: str, at: str = "") -> None:
        """Move the end of a key."""
        self._gpg("--quick-set-expire", fingerprint, expires, at=at)

    def clearsign(self, text: bytes, *fingerprints: str, at: str = "", digest: str = "SHA512") -> bytes:
        """InRelease."""
        return self._gpg(*_signers(fingerprints), "--digest-algo", digest, "--clearsign", at=at, stdin=text)

    def detach(self, data: bytes, *fingerprints: str, at: str = "", exactly: bool = True) -> bytes:
        """Release.gpg. exactly: by these very keys, and not by a subkey of theirs."""
        return self._gpg(*_signers(fingerprints, exactly), "--armor", "--detach-sign", at=at, stdin=data)

    def opaque(self, data: bytes, *fingerprints: str) -> bytes:
        """A signed message with its text inside."""
        return self._gpg(*_signers(fingerprints), "--armor", "--sign", stdin=data)

    def keyring(self, path: pathlib.Path, *fingerprints: str) -> str:
        """Write a binary keyring of these keys; return its path."""
        path.write_bytes(self._gpg("--export", *fingerprints))
        return str(path)

    def ends(self, path: pathlib.Path) -> t.Dict[str, int]:
        """When gpg says the keys in a file end, by id, a subkey with its primary key at the latest; 0 for never.

        Of keys of another century it says nothing.
        """
        command = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--with-colons", "--show-keys", str(path)]
        listing = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode()
        ends: t.Dict[str, int] = {}
        primary = 0
        for row in (line.split(":") for line in listing.splitlines() if line.startswith(("pub:", "sub:"))):
            end = int(row[6] or 0)
            primary = end if row[0] == "pub" else primary
            ends[row[4]] = min((one for one in (primary, end) if one), default=0)
        return ends

    def _gpg(self, *arguments: str, at: str = "", stdin: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "",
                   "--trust-model", "always", "--no-auto-check-trustdb", *([f"--faked-system-time={at}!"] if at else []), *arguments]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


@contextlib.contextmanager
def throw_away() -> t.Iterator[Keys]:
    """Keys for the time of a with block; their agent ends with it."""
    with tempfile.TemporaryDirectory(prefix="egi-keys-") as home:
        try:
            yield Keys(home)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], stderr=subprocess.DEVNULL, check=False)


def _signers(fingerprints: t.Sequence[str], exactly: bool = True) -> t.List[str]:
    return [word for fingerprint in fingerprints for word in ("--local-user", f"{fingerprint}!" if exactly else fingerprint)]
