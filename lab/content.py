# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the standard site offers, repository by repository and stage by stage.

base distribution   libcloud 1.0, cloud-api 2.5 (higher than the overlay's), cloud-client 3.0, site-tools 1.0 and 1.1
CMD-OS 1            base: cloud-api 2.1; updates: cloud-api 2.2; holdback: libcloud 0.9 (the proven one)
stage proposed      also proposed: cloud-client 3.1
stage broken        also updates: cloud-api 2.3, whose health check fails
stage failing       also updates: cloud-api 2.4 instead, whose script fails while it is installed
Later stages are without that one, and change the base distribution:
stage storage       libstorage 1.0, storage-client 1.0
stage regression    libstorage 1.1 instead, which loses connections; site-tools 1.2
stage update        storage-client 1.1 instead
stage fixed         libstorage 1.2 instead, which works
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from lab.packages import File, Package

STAGES = ("release", "proposed", "broken", "failing", "storage", "regression", "update", "fixed")
REPOSITORIES = {"base": ("base",), "cmd-os-1": ("base", "updates", "proposed", "holdback")}
FORMATS: tuple[t.Literal["deb", "rpm"], ...] = ("deb", "rpm")
OVERLAY = {"deb": "~e1+cmd1", "rpm": ".el9~cmd1"}
"""Suffix of the overlay's releases; both sort below the plain release they are built from."""

_HEALTHY = """\
#!/bin/sh
# --check is the health check: it exits 0 when the service would work.
[ "${1-}" != --check ] || { echo 'cloud-api %s: healthy'; exit 0; }
echo 'cloud-api %s'
"""
_BROKEN = """\
#!/bin/sh
[ "${1-}" != --check ] || { echo 'cloud-api %s: cannot read its own database' >&2; exit 1; }
echo 'cloud-api %s'
"""
_STORAGE_CLIENT = """\
#!/bin/sh
# --check is the health check: it is as good as the library.
state=$(cat /usr/share/libstorage/state)
echo "storage-client: the library $state"
[ "$state" = works ]
"""


@dataclass(frozen=True)
class Placed:
    """A package in a repository (base, updates ...) of a distribution (base, cmd-os-1)."""

    distribution: str
    repository: str
    package: Package


def content(stage: str) -> list[Placed]:
    """Everything published at a stage (see STAGES); each stage goes on from the one before it."""
    reached = STAGES.index(stage)
    placed = _base() + _overlay("base", "cloud-api", "2.1") + _overlay("updates", "cloud-api", "2.2")
    placed += _overlay("holdback", "libcloud", "0.9")
    if reached >= STAGES.index("proposed"):
        placed += _overlay("proposed", "cloud-client", "3.1")
    if stage == "broken":
        placed += _overlay("updates", "cloud-api", "2.3", _BROKEN)
    if stage == "failing":
        placed += _overlay("updates", "cloud-api", "2.4", fails=True)
    if reached >= STAGES.index("storage"):
        placed += _storage(reached)
    return placed


def _base() -> list[Placed]:
    plain = [_package(format_, name, version, "1") for format_ in FORMATS for name, version in (
        ("libcloud", "1.0"), ("cloud-api", "2.5"), ("cloud-client", "3.0"), ("site-tools", "1.0"), ("site-tools", "1.1"))]
    # dnf takes $releasever from whoever provides this.
    plain.append(Package("rpm", "example-release", "9", "1", (("/etc/example-release", File("Example OS 9\n")),),
                         provides=("system-release = 9", "system-release(releasever) = 9")))
    return [Placed("base", "base", package) for package in plain]


def _storage(reached: int) -> list[Placed]:
    """The base's storage packages; of each it offers the newest only, as distributions do with updates."""
    broken, updated, fixed = (reached >= STAGES.index(stage) for stage in ("regression", "update", "fixed"))
    library, state = ("1.2", "works") if fixed else ("1.1", "loses connections") if broken else ("1.0", "works")
    program = ("/usr/bin/storage-client", File(_STORAGE_CLIENT, 0o755))
    packages = [package for format_ in FORMATS for package in (
        Package(format_, "libstorage", library, "1", (("/usr/share/libstorage/state", File(f"{state}\n")),)),
        Package(format_, "storage-client", "1.1" if updated else "1.0", "1", (program,), ("libstorage",)),
        *([_package(format_, "site-tools", "1.2", "1")] if broken else []))]
    return [Placed("base", "base", package) for package in packages]


def _overlay(repository: str, name: str, version: str, program: str = _HEALTHY, fails: bool = False) -> list[Placed]:
    packages = [_package(format_, name, version, f"1{OVERLAY[format_]}", program) for format_ in FORMATS]
    return [Placed("cmd-os-1", repository, replace(package, fails=fails)) for package in packages]


def _package(format_: t.Literal["deb", "rpm"], name: str, version: str, release: str, program: str = _HEALTHY) -> Package:
    depends = {"cloud-api": ("libcloud",), "cloud-client": ("cloud-api",)}.get(name, ())
    if name == "cloud-api":
        files = (("/usr/bin/cloud-api", File(program.replace("%s", version), 0o755)),)
    else:
        files = ((f"/usr/share/{name}/version", File(f"{version}\n")),)
    return Package(format_, name, version, release, files, depends)
