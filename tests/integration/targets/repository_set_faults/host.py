# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host under test: run the module on it as Ansible does, and take its fingerprint."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import typing as t
from pathlib import Path

from fingerprint import APT, fingerprint


class Host:
    """A host of the lab, and one module call at a time. looked_at: what fingerprint() takes in, below root."""

    def __init__(self, name: str, root: Path, inventory: str, looked_at: t.Sequence[str] = APT) -> None:
        self.name, self.root, self.inventory, self.looked_at = name, root, inventory, looked_at

    def call(self, arguments: t.Mapping[str, t.Any], *flags: str) -> t.Tuple[t.Dict[str, t.Any], str]:
        """Run egi.cmd.repository_set; return its result and everything that was printed."""
        command = ["ansible", self.name, "-i", self.inventory, "-m", "egi.cmd.repository_set", "-a", json.dumps(arguments), *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout[done.stdout.index("=> {") + 3:])
        result["failed"] = done.returncode != 0
        return result, done.stdout + done.stderr

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on the host."""
        return subprocess.run(["chroot", str(self.root), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def fingerprint(self) -> t.Dict[str, str]:
        """Return what a change of repositories could touch."""
        return fingerprint(str(self.root), self.looked_at)

    @contextlib.contextmanager
    def file(self, path: str, text: str) -> t.Iterator[None]:
        """Put a file of somebody else's on the host for a while."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        try:
            yield
        finally:
            place.unlink()

    @contextlib.contextmanager
    def full(self, path: str) -> t.Iterator[None]:
        """Lay a small file system without room over a directory, with what is in the directory now."""
        place = self.root / path.lstrip("/")
        keep = Path(f"{place}.kept")
        shutil.copytree(place, keep, symlinks=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(place)], check=True)
        try:
            shutil.copytree(keep, place, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(keep)
            with contextlib.suppress(OSError), open(place / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 4096)
            yield
        finally:
            subprocess.run(["umount", str(place)], check=True)
            shutil.rmtree(keep, ignore_errors=True)
