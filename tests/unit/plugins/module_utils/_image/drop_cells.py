# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as a build hands them over, small and synthetic: image.json beside files; reports about them."""

from __future__ import annotations

import hashlib
import json
import pathlib
import typing as t

Json = t.Dict[str, t.Any]
PACKAGES = (
    ("base-files", "12.4+deb12u12", "amd64", "base-files", "12.4+deb12u12", "debian"), ("cloud-init", "22.4.2-1", "all", None, None, None),
    ("libc6", "2.36-9+deb12u13", "amd64", "glibc", "2.36-9+deb12u13", "debian"),
    ("middleware", "1:2.3-1~d12+mos1", "amd64", "middleware-src", "2.3", "cmd-os-1-updates"),
)


def image(variant: str = "generic", architecture: str = "x86_64", seed: str = "one", size: int = 4096,
          formats: t.Sequence[str] = ("qcow2", "raw.tar.xz", "ova"), packages: t.Sequence[t.Tuple[t.Optional[str], ...]] = PACKAGES) -> Json:
    """What image.json says. seed: other bytes have another; size: of each file."""
    files = []
    for form in formats:
        name = f"cmd-cloud-{variant}-{architecture}.{form}"
        digests = {algorithm: hashlib.new(algorithm, _bytes(name, seed, size)).hexdigest() for algorithm in ("sha256", "sha512")}
        files.append({"name": name, "format": form, "size": size, **digests})
    disk = {"virtual_size": 64 << 20, "sha256": hashlib.sha256(f"{variant} {architecture} {seed}".encode()).hexdigest(), "boot": ["bios", "uefi"],
            "root_label": "cloudroot", "minimum_memory": 512}
    keys = ("name", "version", "architecture", "source", "source_version", "origin")
    return {
        "schema": 1, "name": "cmd-cloud", "release": "cmd-os-1", "platform": "bookworm", "variant": variant, "architecture": architecture,
        "snapshot": "cmd-os-1-20261120T120000Z", "source_date_epoch": 1763596800, "definition": f"sha256:{'d' * 64}",
        "disk": None if variant == "container" else disk, "files": files, "packages": [dict(zip(keys, package)) for package in packages],
        "repositories": [{"name": "debian", "kind": "distribution", "uri": "http://mirror.example.org/debian", "priority": 500},
                         {"name": "cmd-os-1-updates", "kind": "updates", "uri": "http://repo.example.org/apt", "priority": 1200}],
        "tools": {"mmdebstrap": "1.3.5"},
    }


def cell(directory: pathlib.Path, variant: str = "generic", architecture: str = "x86_64", seed: str = "one", **more: t.Any) -> pathlib.Path:
    """Write an image's files and its image.json; return the path of that."""
    told = image(variant, architecture, seed, **more)
    directory.mkdir(parents=True, exist_ok=True)
    for file in told["files"]:
        (directory / file["name"]).write_bytes(_bytes(file["name"], seed, file["size"]))
    path = directory / "image.json"
    path.write_text(json.dumps(told))
    return path


def verdict(told: Json, firmware: str = "bios", transport: str = "nocloud", said: str = "pass", reason: str = "booted",
            time: str = "2026-11-20T12:00:00Z") -> Json:
    """A report of a boot of an image's first file."""
    return {
        "schema": 1, "image": {"name": told["files"][0]["name"], "sha256": told["files"][0]["sha256"]}, "disk_sha256": told["disk"]["sha256"],
        "firmware": firmware, "transport": transport, "accelerator": "tcg", "verdict": said, "reason": reason, "why": f"it said {reason}",
        "checks": [{"name": "cloud-init", "ok": said == "pass", "detail": ""}], "seconds": 41, "time": time, "console": "console.log", "screenshot": None,
    }


def _bytes(name: str, seed: str, size: int) -> bytes:
    return f"{name} {seed}".encode().ljust(size, b"\0")
