# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An .rpm is read as rpm reads it, and refused when it is not what it says."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive.rpm_package import read_rpm
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages

NAME = "alpha-1.0-1.el9.noarch.rpm"


def _write(directory: pathlib.Path, data: bytes, name: str = NAME) -> str:
    path = directory / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("digest", [True, False])
def test_a_package_is_described(tmp_path: pathlib.Path, digest: bool) -> None:
    """With the payload digest of rpm 4.14 and with the MD5 of older ones."""
    package = read_rpm(_write(tmp_path, packages.rpm(digest=digest)))
    assert package[:6] == ("alpha", "0", "1.0", "1.el9", "noarch", 1795000000)


def test_the_real_rpm_agrees(tmp_path: pathlib.Path) -> None:
    """What rpmbuild builds is read as rpm --query reads it, source package included."""
    if not shutil.which("rpmbuild"):
        pytest.skip("rpmbuild is not installed")
    spec = tmp_path / "a.spec"
    spec.write_text("Name: alpha\nEpoch: 2\nVersion: 1.0~rc1\nRelease: 3^git1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%files\n")
    subprocess.run(["rpmbuild", "--quiet", "-ba", "--define", f"_topdir {tmp_path}", str(spec)], check=True, capture_output=True)
    built = sorted(tmp_path.glob("*RPMS/**/*.rpm"))
    assert len(built) == 2
    for path in built:
        package = read_rpm(str(path))
        tags = "%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{BUILDTIME}"
        said = subprocess.run(["rpm", "-qp", "--nosignature", "--qf", tags, str(path)], check=True, capture_output=True, text=True).stdout.split()
        assert [package.name, package.epoch, package.version, package.release, str(package.build_time)] == said
        assert package.architecture == ("src" if "SRPMS" in str(path) else "noarch")


@pytest.mark.parametrize("cut", [1, 7, 20, 150, 400])
def test_a_truncated_package_is_refused(tmp_path: pathlib.Path, cut: int) -> None:
    """rpm --query takes a package whose payload is cut; a mirror's reader does not get to see it."""
    with pytest.raises(Failure, match="it is truncated"):
        read_rpm(_write(tmp_path, packages.rpm()[:-cut]))


@pytest.mark.parametrize("digest", [True, False])
def test_a_changed_payload_is_refused(tmp_path: pathlib.Path, digest: bool) -> None:
    """Same size, other bytes."""
    data = packages.rpm(payload=b"original", digest=digest).replace(b"original", b"0riginal")
    with pytest.raises(Failure, match="payload differs"):
        read_rpm(_write(tmp_path, data))


def test_a_changed_header_is_refused(tmp_path: pathlib.Path) -> None:
    """Somebody edited the version in place."""
    data = packages.rpm().replace(b"1.el9\0", b"2.el9\0", 1)
    with pytest.raises(Failure, match="header digest"):
        read_rpm(_write(tmp_path, data))


@pytest.mark.parametrize("data", [b"", b"text", b"/some/package.rpm\n" * 20, b"\xed\xab\xee\xdb" + bytes(200)])
def test_what_is_no_package_is_refused(tmp_path: pathlib.Path, data: bytes) -> None:
    """rpm would take a list of paths for a manifest and read what it names."""
    with pytest.raises(Failure, match="damaged or no RPM package"):
        read_rpm(_write(tmp_path, data))


@pytest.mark.parametrize("name", ["../alpha", "al/pha", "", ".alpha"])
def test_a_name_that_is_a_path_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    """The name becomes a file name."""
    with pytest.raises(Failure, match="its header has the name"):
        read_rpm(_write(tmp_path, packages.rpm(name=name)))


def test_another_file_name_than_its_own_is_refused(tmp_path: pathlib.Path) -> None:
    """A renamed package would be published under a wrong version."""
    with pytest.raises(Failure, match=f"its header calls it {NAME}"):
        read_rpm(_write(tmp_path, packages.rpm(), "alpha-2.0-1.el9.noarch.rpm"))


def test_a_source_package_is_known_as_one(tmp_path: pathlib.Path) -> None:
    """Its header names the architecture it was built on; its file name says src."""
    assert read_rpm(_write(tmp_path, packages.rpm(source=None), "alpha-1.0-1.el9.src.rpm")).architecture == "src"
