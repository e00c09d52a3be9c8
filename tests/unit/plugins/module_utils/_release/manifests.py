# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small valid manifest and hosts to resolve it for; tests change copies of them."""

from __future__ import annotations

import copy
import typing as t

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
KEY = {"fingerprint": FINGERPRINT, "url": "https://repo.example.org/key.asc"}

_EXAMPLE: dict[str, t.Any] = {
    "schema": 1,
    "name": "example-1",
    "distribution": "EXAMPLE",
    "version": "1",
    "platforms": {
        "el9": {"os": ["AlmaLinux", "Rocky"], "version": "9", "format": "rpm", "architectures": ["x86_64", "aarch64"]},
        "bookworm": {"os": ["Debian"], "version": "12", "codename": "bookworm", "format": "deb"},
    },
    "kinds": ["base", "updates", "proposed"],
    "keys": [KEY],
    "deb": {
        "uri": "http://repo.example.org/deb",
        "suite": "{release}{suffix}",
        "components": ["main"],
        "origin": "Example",
        "snapshot_uri": "http://repo.example.org/snapshots/{snapshot}/deb",
    },
    "rpm": {"baseurl": "http://repo.example.org/rpm/{platform}/{kind}", "signed_metadata": True},
    "dates": {"ga": "2026-01-31"},
}

ALMA = {
    "distribution": "AlmaLinux", "distribution_version": "9.4", "distribution_major_version": "9",
    "distribution_release": "Seafoam Ocelot", "architecture": "x86_64",
}
DEBIAN = {
    "distribution": "Debian", "distribution_version": "12.9", "distribution_major_version": "12",
    "distribution_release": "bookworm", "architecture": "x86_64",
}


def example(**changes: t.Any) -> dict[str, t.Any]:
    """Return the example with top-level fields replaced; a field given as None is left out."""
    manifest = {**copy.deepcopy(_EXAMPLE), **changes}
    return {name: value for name, value in manifest.items() if value is not None}


def changed(path: str, value: t.Any) -> dict[str, t.Any]:
    """Return the example with the field at a dotted path replaced, or left out when value is None."""
    manifest = example()
    *parents, last = path.split(".")
    holder: t.Any = manifest
    for step in parents:
        holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
    if value is None:
        del holder[last]
    else:
        holder[int(last) if isinstance(holder, list) else last] = value
    return manifest


def host_of(platform: dict[str, t.Any]) -> dict[str, str]:
    """Return facts of a host that a manifest's platform describes."""
    return {
        "distribution": platform["os"][0],
        "distribution_version": platform.get("version", ""),
        "distribution_release": platform.get("codename", "NA"),
        "architecture": "x86_64",
    }
