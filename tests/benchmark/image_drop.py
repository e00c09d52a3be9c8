# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a drop of four images takes, beside copying and hashing the same files, which is the least it could be.

    PYTHONPATH=<directory above ansible_collections> python3 tests/benchmark/image_drop.py [--rounds 5] [--size 64]

Each image has a qcow2, a raw.tar.xz and an OVA of the size given (MiB, of random bytes), 400 packages, and real signatures.
Each number is the best of the rounds. It needs gpg and coreutils.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_change
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_change import Wish
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_signing import Signers
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site

MOST = 5.0  # seconds a run that changes nothing may take


def image(top: pathlib.Path, variant: str, architecture: str, size: int) -> str:
    """Files of random bytes and their image.json; its path."""
    directory = top / f"{variant}-{architecture}"
    directory.mkdir(parents=True)
    files = []
    for form in ("qcow2", "raw.tar.xz", "ova"):
        path = directory / f"cloud-{variant}-{architecture}.{form}"
        content = os.urandom(size)
        path.write_bytes(content)
        files.append({"name": path.name, "format": form, "size": size, "sha256": hashlib.sha256(content).hexdigest(),
                      "sha512": hashlib.sha512(content).hexdigest()})
    disk = {"virtual_size": 2 << 30, "sha256": files[0]["sha256"], "boot": ["bios", "uefi"], "root_label": "cloudroot", "minimum_memory": 512}
    packages = [{"name": f"package-{number}", "version": f"1.{number}-1", "architecture": "amd64", "source": f"package-{number}",
                 "source_version": f"1.{number}-1", "origin": "debian"} for number in range(400)]
    (directory / "image.json").write_text(json.dumps({
        "schema": 1, "name": "cloud", "release": "cmd-os-1", "platform": "debian12", "variant": variant, "architecture": architecture, "snapshot": None,
        "source_date_epoch": 1763596800, "definition": f"sha256:{'0' * 64}", "disk": disk, "files": files, "packages": packages, "repositories": [],
        "tools": {}}))
    return str(directory / "image.json")


def key(home: pathlib.Path) -> str:
    """Make a signing key; its fingerprint."""
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", "Benchmark <release@example.org>", "ed25519", "sign", "never"], check=True)
    listing = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def timed(work: t.Callable[[], t.Any]) -> float:
    """Seconds it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def rounds(top: pathlib.Path, images: t.Sequence[str], fingerprint: str, count: int) -> t.Dict[str, t.List[float]]:
    """What -> seconds of each round."""
    site = Site("cmd-os-1", "CMD-OS 1", "https://repo.example.org/images", "", 180, (fingerprint,))
    signers = Signers(str(top / "keys"), (fingerprint,))
    sources = [str(path) for name in images for path in sorted(pathlib.Path(name).parent.glob("cloud-*"))]
    found: t.Dict[str, t.List[float]] = {}

    def note(what: str, work: t.Callable[[], t.Any]) -> None:
        found.setdefault(what, []).append(timed(work))

    def drop(label: str, verify: bool = False) -> None:
        drop_change.run(str(top / "images"), site, signers, Wish("present", label, "", tuple(images), (), (), "", "", "", verify), False)

    for number in range(1, count + 1):
        copy, label = top / "copy", f"20261120.{number}"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        note("cp and sync", lambda: (subprocess.run(["cp", *sources, str(copy)], check=True), subprocess.run(["sync", "-f", str(copy)], check=True)))
        note("sha256sum", lambda: subprocess.run(["sha256sum", *sources], check=True, stdout=subprocess.DEVNULL))
        note("sha512sum", lambda: subprocess.run(["sha512sum", *sources], check=True, stdout=subprocess.DEVNULL))
        note("a new drop", lambda: drop(label))
        note("the same again: nothing changes", lambda: drop(label))
        note("the same, every byte read", lambda: drop(label, verify=True))
        promotion = Wish("promoted", f"rc-{number}", label, (), (), (), "R. Manager", "")
        note("a promotion", lambda: drop_change.run(str(top / "images"), site, signers, promotion, False))
    return found


def main() -> int:
    """Print one table; 1 if a run that changes nothing takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="egi-image-drop-") as directory:
        top = pathlib.Path(directory)
        fingerprint = key(top / "keys")
        images = [image(top / "build", variant, architecture, arguments.size << 20) for variant in ("generic", "ec2") for architecture in ("x86_64", "i686")]
        found = rounds(top, images, fingerprint, arguments.rounds)
        subprocess.run(["gpgconf", "--homedir", str(top / "keys"), "--kill", "all"], check=False)
    print(f"four images, 12 files of {arguments.size} MiB, best of {arguments.rounds}")
    for what, times in found.items():
        print(f"{what:40}{min(times):8.2f} s")
    return int(min(found["the same again: nothing changes"]) > MOST)


if __name__ == "__main__":
    sys.exit(main())
