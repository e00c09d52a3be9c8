# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of Debian's installer, over HTTP and from a directory: found through what is signed, and nothing else of them."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_indices, deb_installer, deb_release
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, web_server

PLACE = "main/installer-amd64/current/images"
IMAGES = {"netboot/mini.iso": b"image" * 100, "cdrom/vmlinuz": b"kernel", "MANIFEST": b""}


def _sums(images: t.Mapping[str, bytes]) -> bytes:
    return "".join(f"{archives.digest(content)}  ./{path}\n" for path, content in images.items()).encode()


class Archive:
    """An archive with the suite ``one``, served, its SHA256SUMS in the store."""

    def __init__(self, work: pathlib.Path) -> None:
        self.store = Store(str(work / "mirror"))
        self.server = web_server.Upstream({f"/dists/one/{PLACE}/{path}": content for path, content in {**IMAGES, "SHA256SUMS/x": b""}.items()})

    def read(self, sums: bytes = _sums(IMAGES), taken: t.Sequence[Document] = ()) -> Snapshot:
        """The suite with its images."""
        source = Source("example", "deb", (self.server.url,), suites=("one",), installer=True)
        file = Wanted(f"dists/one/{PLACE}/SHA256SUMS", len(sums), self.store.add(sums))
        with Transport(source, retries=0) as transport:
            found = deb_installer.with_images(source, Snapshot(list(taken), [file], [], "", 0), self.store.path, transport.sizes)
            fetch(transport, found.large, self.store)
        return found


@pytest.fixture(name="archive")
def _archive(tmp_path: pathlib.Path) -> t.Iterator[Archive]:
    archive = Archive(tmp_path)
    with archive.server:
        yield archive


def test_every_image_the_signed_sums_name_is_taken(archive: Archive) -> None:
    found = archive.read()
    assert {file.path: file.size for file in found.large[1:]} == {f"dists/one/{PLACE}/{path}": len(content) for path, content in IMAGES.items()}
    assert all(archive.store.has(archives.digest(content), len(content)) for content in IMAGES.values())


@pytest.mark.parametrize("path", ["../../../../../etc/passwd", "/etc/passwd", "a//b", "a/../b"])
def test_names_that_leave_the_archive_are_refused(archive: Archive, path: str) -> None:
    with pytest.raises(Failure, match="accept path"):
        archive.read(f"{'0' * 64}  {path}\n".encode())


@pytest.mark.parametrize("sums, why", [
    (b"0  ./x\n", "is not a digest and a path"), (b"\xff", "is not a digest and a path"), (_sums({"a": b"1"}) + _sums({"a": b"2"}), "twice"),
    (_sums({"SHA256SUMS/x": b""}), "both a file and a directory"), (_sums({"none": b""}), "listed in SHA256SUMS and not there"),
    (b"0" * (17 << 20), "longer than"),
])
def test_sums_that_cannot_be_are_refused(archive: Archive, sums: bytes, why: str) -> None:
    with pytest.raises(Failure, match=why):
        archive.read(sums)


def test_an_image_that_is_not_what_is_signed_is_not_taken(archive: Archive) -> None:
    archive.server.files[f"/dists/one/{PLACE}/cdrom/vmlinuz"] = b"KERNEL"
    with pytest.raises(Failure, match="its content is not what is signed for"):
        archive.read()


def test_a_source_without_images_says_so() -> None:
    source = Source("example", "deb", ("http://repo.example.org/",), installer=True)
    with pytest.raises(Failure, match="no suite of it lists installer images"):
        deb_installer.with_images(source, Snapshot([], [], [], "", 0), str, lambda paths: {})


def test_the_current_images_of_the_architectures_and_components_asked_for_are_chosen() -> None:
    packages = {f"{component}/binary-{architecture}/Packages.gz": b"" for component in ("main", "contrib") for architecture in ("amd64", "arm64")}
    sums = [f"main/installer-{architecture}/{version}/images/SHA256SUMS" for architecture in ("amd64", "arm64") for version in ("current", "20260101")]
    files = {**packages, **dict.fromkeys([*sums, "main/installer-amd64/current/images/MD5SUMS", "main/installer-amd64/current/legacy-images/SHA256SUMS"], b"")}
    release = deb_release.parse(archives.release("one", files), "Release")

    def chosen(**settings: t.Any) -> t.List[str]:
        source = Source("example", "deb", (), **settings)
        return [index.stem for index in deb_indices.chosen(release, source, "Release") if index.kind == "installer"]

    assert chosen() == [] and chosen(installer=True, components=("contrib",)) == []
    amd = ["main/installer-amd64/current/images/SHA256SUMS", "main/installer-amd64/current/legacy-images/SHA256SUMS"]
    assert chosen(installer=True, architectures=("amd64",)) == amd
    assert chosen(installer=True) == [*amd, "main/installer-arm64/current/images/SHA256SUMS"]
