# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A .deb is read as what it is, and refused when it is not what it says."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import read_deb
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages


def _write(directory: pathlib.Path, data: bytes, name: str = "alpha_1.0-1_all.deb") -> str:
    path = directory / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("compression", ["none", "gz", "xz", "bz2"])
def test_a_package_is_described(tmp_path: pathlib.Path, compression: str) -> None:
    """Name, source, place of files: whatever the compression."""
    package = read_deb(_write(tmp_path, packages.deb(compression=compression)))
    assert (package.name, package.version, package.architecture, package.source) == ("alpha", "1.0-1", "all", "alpha")
    assert (package.section, package.priority, package.files) == ("net", "optional", "usr/share/alpha")
    assert package.control.startswith("Package: alpha\nVersion: 1.0-1\n")


def test_the_real_dpkg_deb_agrees(tmp_path: pathlib.Path) -> None:
    """What dpkg-deb builds with each of its compressors is read."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True, mode=0o755)
    long_name = "x" * 150
    (tree / long_name).write_text("long")
    (tree / "DEBIAN/control").write_text(packages.CONTROL)
    for compression in ("none", "gzip", "xz", "zstd"):
        built = subprocess.run(["dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", str(tree), str(tmp_path)], capture_output=True, check=False)
        if compression == "zstd" and built.returncode:
            continue  # dpkg before 1.21.18 knows no zstd
        assert read_deb(str(tmp_path / "alpha_1.0-1_all.deb")).files == long_name


def test_the_epoch_is_no_part_of_the_file_name(tmp_path: pathlib.Path) -> None:
    """apt's own cache writes it as %3a, which is accepted too."""
    data = packages.deb(packages.CONTROL.replace("1.0-1", "1:1.0-1"))
    assert read_deb(_write(tmp_path, data)).file_name == "alpha_1.0-1_all.deb"
    assert read_deb(_write(tmp_path, data, "alpha_1%3a1.0-1_all.deb")).file_name == "alpha_1.0-1_all.deb"


@pytest.mark.parametrize("cut", [2, 3, 70, 200])
def test_a_truncated_package_is_refused(tmp_path: pathlib.Path, cut: int) -> None:
    """However little is missing; the last byte alone may be padding, which dpkg does not ask for either."""
    path = _write(tmp_path, packages.deb(files={"./data": bytes(range(256)) * 8})[:-cut])
    with pytest.raises(Failure, match="alpha_1.0-1_all.deb: it is damaged or no Debian package"):
        read_deb(path)


def test_a_damaged_content_is_found_when_files_are_listed(tmp_path: pathlib.Path) -> None:
    """One flipped byte in the compressed content."""
    data = bytearray(packages.deb(files={"./data": bytes(range(256)) * 64}, compression="xz"))
    data[-40] ^= 0xFF
    with pytest.raises(Failure, match="damaged"):
        read_deb(_write(tmp_path, bytes(data)))


@pytest.mark.parametrize("control, why", [
    (packages.CONTROL.replace("Package: alpha", "Package: ../../etc/alpha"), "Package '../../etc/alpha'"),
    (packages.CONTROL.replace("Package: alpha", "Package: alpha\nSource: ../x"), "Source '../x'"),
    (packages.CONTROL.replace("1.0-1", "1.0/../../x"), "Version '1.0/../../x'"),
    (packages.CONTROL.replace(": all", ": ../x"), "Architecture '../x'"),
    (packages.CONTROL.replace(": net", ": net admin"), "Section 'net admin'"),
    (packages.CONTROL + "\nPackage: second\n", "which is no field"),
    (packages.CONTROL + "Version: 2.0\n", "the field Version twice"),
    (packages.CONTROL + "version: 2.0\n", "the field Version twice"),
    (packages.CONTROL + "Homepage: a\x00b\n", "control characters"),
    (packages.CONTROL.replace("Package: alpha\n", ""), "Package ''"),
])
def test_control_data_that_would_mislead_is_refused(tmp_path: pathlib.Path, control: str, why: str) -> None:
    """Paths that leave the pool, a second stanza, a field twice."""
    with pytest.raises(Failure) as caught:
        read_deb(_write(tmp_path, packages.deb(control)))
    assert why in caught.value.why


def test_index_fields_cannot_be_smuggled_in(tmp_path: pathlib.Path) -> None:
    """A Filename in the control data would send apt elsewhere."""
    control = packages.CONTROL.replace("Section", "filename: ../../etc/passwd\nSHA256: 0\nSize: 1\nSection")
    stanza = read_deb(_write(tmp_path, packages.deb(control))).control.lower()
    assert "filename" not in stanza and "sha256" not in stanza and "size" not in stanza


@pytest.mark.parametrize("name", ["beta_1.0-1_all.deb", "alpha_1.0-2_all.deb", "alpha_1.0-1_amd64.deb", "alpha.deb"])
def test_another_file_name_than_its_own_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    """The name is what people and the pool know it by."""
    with pytest.raises(Failure, match="its control data calls it alpha_1.0-1_all.deb"):
        read_deb(_write(tmp_path, packages.deb(), name))


@pytest.mark.parametrize("data", [
    b"", b"not a package", b"!<arch>\n", packages.ar([("debian-binary", b"2.0\n")]),
    packages.ar([("debian-binary", b"2.0\n"), ("control.tar.gz", packages.tar({"./x": b""})), ("data.tar.gz", packages.tar({}))]),
    packages.ar([("debian-binary", b"2.0\n"), ("control.tar.gz", b"junk"), ("data.tar.gz", packages.tar({}))]),
    packages.ar([("debian-binary", b"2.0\n"), ("control.tar.rar", b"junk"), ("data.tar.gz", packages.tar({}))]),
])
def test_what_is_no_package_is_refused(tmp_path: pathlib.Path, data: bytes) -> None:
    """Empty, text, an archive of something else."""
    with pytest.raises(Failure, match="damaged or no Debian package"):
        read_deb(_write(tmp_path, data))
