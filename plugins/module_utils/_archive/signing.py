# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Signing with keys in a GnuPG home of our own: no prompt, no ~/.gnupg, no agent left running."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

FINGERPRINT = re.compile(r"[0-9A-F]{40}")
ALGORITHMS = ("rsa3072", "rsa4096", "ed25519")

_LONGEST_HOME = 107 - len("/S.gpg-agent.browser")
_NO_AGENT = b"can't connect to the agent"  # gpg waits 5 seconds for one to start, which a busy machine may take; nothing was done then
_LIMIT = 120  # seconds; making an RSA key waits for the kernel's random numbers


class Key(t.NamedTuple):
    """A key whose secret half is in the home. created, expires: seconds since 1970; expires 0 for never."""

    fingerprint: str
    user_id: str
    created: int
    expires: int
    usable: bool


class Keyring:
    """An open GnuPG home. Made by open_home() only, which also closes it."""

    def __init__(self, program: str, home: str) -> None:
        self._program, self._home = program, home

    def keys(self) -> t.List[Key]:
        """The keys that can sign or could once, oldest first."""
        listing = self._run("list keys", "--with-colons", "--fixed-list-mode", "--list-secret-keys").decode("utf-8", "replace")
        found: t.List[Key] = []
        row: t.List[str] = []
        fingerprint = ""
        for line in listing.splitlines():
            cells = line.split(":")
            if cells[0] == "sec":
                row, fingerprint = cells, ""
            elif cells[0] == "fpr" and row and not fingerprint:
                fingerprint = cells[9]
            elif cells[0] == "uid" and row and fingerprint:
                usable = row[1] not in ("e", "r", "i", "d", "n")
                found.append(Key(fingerprint, _unescaped(cells[9]), int(row[5] or 0), int(row[6] or 0), usable))
                row = []
        return sorted(found, key=lambda key: (key.created, key.fingerprint))

    def create(self, user_id: str, algorithm: str, valid_for: int) -> str:
        """Make a signing key without a passphrase; valid_for: seconds, 0 for ever. Returns its fingerprint."""
        known = {key.fingerprint for key in self.keys()}
        expiry = f"seconds={valid_for}" if valid_for else "never"
        self._run(f"create key '{user_id}'", "--quick-generate-key", user_id, algorithm, "sign", expiry)
        created = [key.fingerprint for key in self.keys() if key.fingerprint not in known]
        if len(created) != 1:
            raise Failure(f"create key '{user_id}'", "gpg reported success and made no key", "Look at the GnuPG home")
        return created[0]

    def clearsign(self, text: bytes, fingerprints: t.Sequence[str]) -> bytes:
        """text with an inline signature of every key: InRelease."""
        return self._run("sign", *_signers(fingerprints), "--clearsign", stdin=text)

    def detach(self, data: bytes, fingerprints: t.Sequence[str]) -> bytes:
        """An armored signature of every key beside the data: Release.gpg, repomd.xml.asc."""
        return self._run("sign", *_signers(fingerprints), "--armor", "--detach-sign", stdin=data)

    def export(self, fingerprint: str, armored: bool) -> bytes:
        """The public half of one key; Failure when the home does not have it."""
        data = self._run(f"export key {fingerprint}", *(["--armor"] if armored else []), "--export-options", "export-minimal", "--export", fingerprint)
        if not data:
            raise Failure(f"export key {fingerprint}", "the GnuPG home has no such key", "Name one that egi.cmd.repository_key returned")
        return data

    def check(self, fingerprints: t.Sequence[str]) -> None:
        """Raise Failure unless every key is here and can sign today."""
        have = {key.fingerprint: key for key in self.keys()}
        for fingerprint in fingerprints:
            if fingerprint not in have:
                raise Failure(
                    f"sign with key {fingerprint}", "the GnuPG home has no secret key of that fingerprint",
                    f"It has {', '.join(have) or 'none'}; create one with egi.cmd.repository_key",
                )
            if not have[fingerprint].usable:
                raise Failure(f"sign with key {fingerprint}", "it is expired or revoked", "Rotate to a new key and keep both for the overlap")

    def _run(self, action: str, *arguments: str, stdin: bytes = b"") -> bytes:
        command = [
            self._program, "--homedir", self._home, "--no-options", "--batch", "--no-tty", "--yes", "--quiet",
            "--pinentry-mode", "loopback", "--passphrase", "", "--trust-model", "always", "--no-auto-check-trustdb",
            "--personal-digest-preferences", "SHA512 SHA256", "--cert-digest-algo", "SHA512", *arguments,
        ]
        environment = {**os.environ, "LC_ALL": "C", "GNUPGHOME": self._home}
        for last in (False, False, True):
            try:
                done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=_LIMIT, check=False)
            except subprocess.TimeoutExpired as error:
                raise Failure(action, f"gpg gave no answer within {_LIMIT} seconds", "A key with a passphrase cannot be used") from error
            if last or done.returncode == 0 or _NO_AGENT not in done.stderr:
                break
        if done.returncode != 0:
            lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            raise Failure(action, lines[-1] if lines else f"gpg ended with {done.returncode}", "Check the GnuPG home and its keys")
        return done.stdout


@contextlib.contextmanager
def open_home(home: str) -> t.Iterator[Keyring]:
    """Use the GnuPG home for one run; one at a time.

    The agent is ended with us, for it would keep keys and files open for ever; one that a killed run left behind serves
    the next run and ends with that.
    """
    program, gpgconf = _program("gpg"), _program("gpgconf")
    if not os.path.isdir(home):
        raise Failure(f"use the keys in {home}", "there is no such directory", "Create a key there with egi.cmd.repository_key")
    with open(os.path.join(home, ".egi-cmd-lock"), "w", encoding="ascii") as lock:
        _exclusive(lock, home)
        with contextlib.ExitStack() as stack:
            path = _short_path(os.path.abspath(home), stack)
            try:
                yield Keyring(program, path)
            finally:
                for option in (("--kill", "all"), ("--remove-socketdir",)):
                    subprocess.run([gpgconf, "--homedir", path, *option], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def create_home(home: str) -> bool:
    """Make the directory for secret keys if it is missing, readable by its owner only. Returns whether it changed."""
    if not os.path.isdir(home):
        os.makedirs(home, mode=0o700)
        os.chmod(home, 0o700)
        return True
    if os.stat(home).st_mode & 0o077:
        os.chmod(home, 0o700)
        return True
    return False


def _short_path(home: str, stack: contextlib.ExitStack) -> str:
    """gpg reaches its agent through a socket in the home, and a socket's path ends at 107 bytes: a deep home gets a link."""
    if len(os.fsencode(home)) <= _LONGEST_HOME:
        return home
    link = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="egi-")), "home")
    os.symlink(home, link)
    return link


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Failure("sign", f"the program {name} is missing", "Install gnupg (Debian: gpg, Enterprise Linux: gnupg2)")
    return found


def _exclusive(lock: t.IO[str], home: str) -> None:
    deadline = time.monotonic() + _LIMIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Failure(f"use the keys in {home}", "another run has held them for two minutes", "Wait for it, or look why it hangs") from error
            time.sleep(0.1)


def _signers(fingerprints: t.Sequence[str]) -> t.List[str]:
    return [word for fingerprint in fingerprints for word in ("--local-user", f"{fingerprint}!")]


def _unescaped(text: str) -> str:
    r"""gpg --with-colons writes a colon in a user id as ``\x3a``."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match.group(1), 16)), text)
