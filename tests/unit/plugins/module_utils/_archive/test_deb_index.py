# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Index texts: complete, and the same whatever order the packages come in."""

from __future__ import annotations

import random

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_index
from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import DebPackage


def _package(name: str, version: str, architecture: str = "all", files: str = "usr/bin/tool", section: str = "net") -> DebPackage:
    control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    return DebPackage(name, version, architecture, name, section, "optional", control, 10, "0" * 64, files)


PLACED = {f"pool/{number}": package for number, package in enumerate([
    _package("beta", "1.10-1"), _package("beta", "1.9-1"), _package("alpha", "1:0.1-1", "amd64"), _package("alpha", "2.0-1", "arm64"),
    _package("gamma", "1.0~rc1-1", section="admin"), _package("gamma", "1.0-1", section="web"),
])}


def test_order_of_input_does_not_matter() -> None:
    """Same packages, same bytes."""
    shuffled = list(PLACED.items())
    random.Random(3).shuffle(shuffled)
    for text in (deb_index.override, lambda placed: deb_index.packages(placed, "amd64"), lambda placed: deb_index.contents(placed, "amd64")):
        assert text(dict(shuffled)) == text(PLACED)


def test_packages_of_one_architecture_in_ascending_versions() -> None:
    """Other architectures are left out, all is in."""
    text = deb_index.packages(PLACED, "amd64").decode()
    found = [stanza.split("\n")[:2] for stanza in text.split("\n\n")]
    assert [(name[9:], version[9:]) for name, version in found] == [
        ("alpha", "1:0.1-1"), ("beta", "1.9-1"), ("beta", "1.10-1"), ("gamma", "1.0~rc1-1"), ("gamma", "1.0-1"),
    ]
    assert text.endswith(f"Filename: pool/5\nSize: 10\nSHA256: {'0' * 64}\n")


def test_contents_names_every_owner_once() -> None:
    """One line for each path."""
    assert deb_index.contents(PLACED, "amd64").decode().split() == ["usr/bin/tool", "admin/gamma,net/alpha,net/beta,web/gamma"]


def test_override_follows_the_newest_version() -> None:
    """Version order, not text order."""
    assert deb_index.override(PLACED) == b"alpha\toptional\tnet\nbeta\toptional\tnet\ngamma\toptional\tweb\n"


@pytest.mark.parametrize("source, directory", [("openssl", "pool/main/o/openssl"), ("libxml2", "pool/main/libx/libxml2"), ("lib", "pool/main/l/lib")])
def test_shards_of_the_pool(source: str, directory: str) -> None:
    """As in every Debian archive."""
    assert deb_index.pool_directory("main", source) == directory


def test_nothing_gives_nothing() -> None:
    """An empty suite has empty indices."""
    assert deb_index.packages({}, "amd64") == deb_index.contents({}, "amd64") == deb_index.sources({}) == deb_index.override({}) == b""
