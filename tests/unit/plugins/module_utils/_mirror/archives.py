# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives for tests to read, as files by path: a Debian suite and an rpm repository, signed or about to be."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file

NOW = 1_800_000_000
_PACK: t.Dict[str, t.Callable[[bytes], bytes]] = {
    "": lambda data: data, ".gz": lambda data: gzip.compress(data, mtime=0), ".xz": lzma.compress, ".bz2": bz2.compress,
}

Files = t.Dict[str, bytes]


def digest(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()


def stanza(name: str, content: bytes, architecture: str = "all", version: str = "1.0-1", path: str = "") -> str:
    """A stanza of Packages, in the order apt-ftparchive writes."""
    path = path or f"pool/main/{name[0]}/{name}/{name}_{version}_{architecture}.deb"
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Example Team <team@example.org>\n"
        f"Filename: {path}\nSize: {len(content)}\nMD5sum: {'0' * 32}\nSHA256: {digest(content)}\nSection: net\nDescription: example\n .\n More: of it\n"
    )


def source_stanza(name: str, files: t.Mapping[str, bytes], version: str = "1.0-1") -> str:
    """A stanza of Sources."""
    listing = "".join(f" {digest(content)} {len(content)} {file}\n" for file, content in files.items())
    return f"Package: {name}\nVersion: {version}\nDirectory: pool/main/{name[0]}/{name}\nFiles:\n {'0' * 32} 1 x\nChecksums-Sha256:\n{listing}"


def packed(path: str, data: bytes, suffixes: t.Sequence[str] = (".gz", ".xz")) -> Files:
    """An index in several packings."""
    return {path + suffix: _PACK[suffix](data) for suffix in suffixes}


def unpacked(data: bytes) -> bytes:
    """What was packed with gz or xz."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else lzma.decompress(data)


def release(name: str, files: Files, unpacked: t.Optional[Files] = None, date: int = NOW, valid_for: int = 86400, by_hash: bool = True) -> bytes:
    """The Release of these files below the suite. unpacked: files it lists and nobody has."""
    suite = release_file.Suite(name, "Example", "Example", name, "", "", ("amd64", "arm64"), ("main", "contrib"), False, valid_for)
    text = release_file.render(suite, {**files, **(unpacked or {})}, date)
    return text if by_hash else text.replace(b"Acquire-By-Hash: yes\n", b"")


def served(directory: str, files: Files, by_hash: bool = True) -> Files:
    """The files as an archive offers them."""
    offered = {f"/{directory}/{path}": data for path, data in files.items()}
    if by_hash:
        for path, data in files.items():
            folder = f"/{directory}/{path}".rpartition("/")[0]
            offered[f"{folder}/by-hash/SHA256/{digest(data)}"] = data
    return offered


def rpm_package(name: str, content: bytes, href: str = "", version: str = "1.0", epoch: str = "0", algorithm: str = "sha256") -> str:
    """A package of primary.xml, as createrepo_c writes it."""
    return (
        f'<package type="rpm">\n  <name>{name}</name>\n  <arch>noarch</arch>\n  <version epoch="{epoch}" ver="{version}" rel="1"/>\n'
        f'  <checksum type="{algorithm}" pkgid="YES">{digest(content)}</checksum>\n  <summary>example &amp; more</summary>\n  <description/>\n'
        f'  <packager/>\n  <url/>\n  <time file="1" build="1"/>\n  <size package="{len(content)}" installed="1" archive="1"/>\n'
        f'  <location href="{href or f"Packages/{name}-{version}-1.noarch.rpm"}"/>\n'
        f'  <format>\n    <rpm:license>GPL</rpm:license>\n    <rpm:provides>\n      <rpm:entry name="{name}" flags="EQ" epoch="0" ver="9" rel="9"/>\n'
        f'    </rpm:provides>\n    <file>/usr/bin/{name}</file>\n  </format>\n</package>\n'
    )


def primary(*packages: str, count: t.Optional[int] = None) -> bytes:
    """primary.xml of these packages."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"'
        f' packages="{len(packages) if count is None else count}">\n{"".join(packages)}</metadata>\n'
    ).encode()


def repomd(data: t.Mapping[str, t.Tuple[str, bytes, int]], revision: str = str(NOW)) -> bytes:
    """repomd.xml. data: type -> path, content, unpacked size."""
    listing = "".join(
        f'<data type="{kind}">\n  <checksum type="sha256">{digest(content)}</checksum>\n  <open-checksum type="sha256">{"0" * 64}</open-checksum>\n'
        f'  <location href="{path}"/>\n  <timestamp>{NOW}</timestamp>\n  <size>{len(content)}</size>\n  <open-size>{size}</open-size>\n</data>\n'
        for kind, (path, content, size) in data.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n'
        f"<revision>{revision}</revision>\n{listing}</repomd>\n"
    ).encode()
