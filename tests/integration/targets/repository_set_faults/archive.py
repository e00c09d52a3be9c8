# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small apt archives on the repository host, each with one thing wrong; signed by real gpg."""

from __future__ import annotations

import email.utils
import hashlib
import subprocess
import time
import typing as t
from pathlib import Path

PACKAGES = """\
Package: cloud-api
Version: 2.2-1
Architecture: all
Maintainer: Example Maintainers <maintainers@example.org>
Filename: pool/cloud-api_2.2-1_all.deb
Size: 1
SHA256: 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881
Description: invented package of a test

"""


class Signer:
    """OpenPGP keys in a keyring of the repository host; the host's own gpg does the work."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._gpg("--version")
        (root / "root/keyring").mkdir(mode=0o700, exist_ok=True)

    def _gpg(self, *arguments: str, text: str = "") -> str:
        command = ["chroot", str(self.root), "gpg", "--homedir", "/root/keyring", "--batch", "--quiet", "--no-tty", *arguments]
        return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout

    def key(self, name: str) -> t.Tuple[str, str]:
        """Make an unprotected signing key; return its fingerprint and its armored certificate."""
        user = f"{name} <{name}@example.org>"
        self._gpg("--passphrase", "", "--pinentry-mode", "loopback", "--quick-generate-key", user, "ed25519", "sign", "never")
        listing = self._gpg("--with-colons", "--list-keys", user)
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        return fingerprint, self._gpg("--armor", "--export", fingerprint)

    def secret(self, fingerprint: str) -> str:
        """Return the armored secret key: what nobody should hand to a host."""
        return self._gpg("--armor", "--export-secret-keys", fingerprint)

    def clearsign(self, text: str, fingerprint: str) -> str:
        """Return text in the cleartext signature framework, as InRelease files are."""
        return self._gpg("--local-user", fingerprint, "--clearsign", text=text)

    def end(self) -> None:
        """End the agent gpg started, so that nothing outlives the test."""
        subprocess.run(["chroot", str(self.root), "gpgconf", "--homedir", "/root/keyring", "--kill", "all"], check=False)


def publish(dists: Path, suite: str, signer: Signer, fingerprint: str, *, says: str = "", origin: str = "EGI", label: str = "CMD-OS",
            component: str = "main", valid_for: t.Optional[int] = None, signed: bool = True, packages: str = PACKAGES) -> None:
    """Write one suite below dists/.

    says: the Suite its Release file claims (the directory's name by default). valid_for: seconds until Valid-Until.
    """
    directory = dists / suite
    index = directory / component / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(packages)
    data = packages.encode()
    fields = [f"Origin: {origin}", f"Label: {label}", f"Suite: {says or suite}", "Codename: cmd-os-1", f"Date: {_date(-7200)}"]
    if valid_for is not None:
        fields.append(f"Valid-Until: {_date(valid_for)}")
    fields += ["Architectures: amd64 all", f"Components: {component}", "SHA256:",
               f" {hashlib.sha256(data).hexdigest()} {len(data)} {component}/binary-amd64/Packages"]
    release = "\n".join(fields) + "\n"
    (directory / "Release").write_text(release)
    if signed:
        (directory / "InRelease").write_text(signer.clearsign(release, fingerprint))


def _date(offset: int) -> str:
    return email.utils.formatdate(time.time() + offset, usegmt=True)
