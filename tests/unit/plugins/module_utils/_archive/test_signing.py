# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and signatures, with the real gpg and gpgv; skipped where they are missing."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

pytestmark = pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("gpgv")), reason="gpg and gpgv are not installed")

OLD, NEW = "Old: archive <archive@example.org>", "New archive <archive@example.org>"


def _agents(home: pathlib.Path) -> bool:
    """Whether an agent of that home runs."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"gpg-agent" in words and str(home).encode() in words:
            return True
    return False


def _keyring(work: pathlib.Path, public: bytes) -> str:
    (work / "one.gpg").write_bytes(public)
    return str(work / "one.gpg")


def test_two_keys_sign_and_each_is_enough(tmp_path: pathlib.Path) -> None:
    """What a rotation rests on; and afterwards no agent runs."""
    home = tmp_path / "keys"
    assert signing.create_home(str(home))
    assert not signing.create_home(str(home))
    with signing.open_home(str(home)) as keyring:
        keys = [keyring.create(OLD, "ed25519", 0), keyring.create(NEW, "rsa3072", 86400)]
        listed = {key.user_id: key for key in keyring.keys()}
        keyring.check(keys)
        signed, detached = keyring.clearsign(b"text\n", keys), keyring.detach(b"text\n", keys)
        publics = [keyring.export(key, armored=False) for key in keys]
        armored = keyring.export(keys[0], armored=True)
    assert listed[OLD].expires == 0 and listed[NEW].expires == listed[NEW].created + 86400
    assert armored.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    (tmp_path / "InRelease").write_bytes(signed)
    (tmp_path / "Release.gpg").write_bytes(detached)
    (tmp_path / "Release").write_bytes(b"text\n")
    for public in publics:
        both = [subprocess.run(["gpgv", "--status-fd", "1", "--keyring", _keyring(tmp_path, public), *files], capture_output=True, check=False, cwd=tmp_path)
                for files in (["InRelease"], ["Release.gpg", "Release"])]
        assert all(done.stdout.count(b"GOODSIG") == 1 and b"BADSIG" not in done.stdout for done in both)
    whole = subprocess.run(["gpgv", "--keyring", _keyring(tmp_path, b"".join(publics)), "InRelease"], capture_output=True, check=False, cwd=tmp_path)
    assert whole.returncode == 0
    assert not _agents(home)


def test_a_deep_home_works(tmp_path: pathlib.Path) -> None:
    """A socket's path ends at 107 bytes; a directory's does not."""
    home = tmp_path / ("deep" * 30)
    signing.create_home(str(home))
    with signing.open_home(str(home)) as keyring:
        key = keyring.create(OLD, "ed25519", 0)
        assert keyring.detach(b"text", [key])


def test_a_key_that_cannot_sign_is_named(tmp_path: pathlib.Path) -> None:
    """One nobody has, one that expired, a home that is not there."""
    home = tmp_path / "keys"
    with pytest.raises(Failure, match="there is no such directory"):
        with signing.open_home(str(home)):
            pass
    signing.create_home(str(home))
    with signing.open_home(str(home)) as keyring:
        key = keyring.create(OLD, "ed25519", 1)
        with pytest.raises(Failure, match="F{40}: the GnuPG home has no secret key"):
            keyring.check(["F" * 40])
        time.sleep(2.1)
        with pytest.raises(Failure, match="it is expired or revoked"):
            keyring.check([key])


def test_a_home_others_can_read_is_closed(tmp_path: pathlib.Path) -> None:
    """Secret keys without a passphrase are for their owner alone."""
    home = tmp_path / "keys"
    home.mkdir(mode=0o755)
    assert signing.create_home(str(home))
    assert home.stat().st_mode & 0o777 == 0o700
