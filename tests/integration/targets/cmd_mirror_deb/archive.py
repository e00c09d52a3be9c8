# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian archive with everything one may hold: seven components, two architectures, sources, udebs, installer images,
Contents, AppStream data, command-not-found, pdiffs; a debug archive and a flat one beside it. The packages are real."""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys

COMPONENTS = ("main", "contrib", "non-free", "non-free-firmware", "universe", "multiverse", "restricted")
ARCHITECTURES = ("amd64", "arm64")
UDEBS = "main/debian-installer"
DIFF = "main/binary-amd64/Packages.diff"
Files = archives.Files


class Archive:
    """What stands below a directory a web server and an rsync daemon serve. One state after the other."""

    def __init__(self, top: Path, work: Path, key: keys.Keys, signer: str, epoch: int) -> None:
        self.top, self._work, self._key, self._signer, self._date = top, work, key, signer, epoch
        self._before: t.Dict[str, bytes] = {}

    def publish(self, version: str) -> None:
        """Write a state in which all packages have this version."""
        self._date += 1
        self._write("debian", self._suite("stable", version))
        self._write("debug", self._debug(version))
        self._write("flat", self._flat(version))

    def _write(self, archive: str, files: Files) -> None:
        for path, content in files.items():
            place = self.top / archive / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            os.utime(place, (self._date, self._date))  # nginx takes a file of the same size and second for the same

    def _suite(self, name: str, version: str) -> Files:
        files: Files = {}
        indices: Files = {}
        for component in COMPONENTS:
            both = self._package(files, f"{component}-data", version, "all", component)
            for architecture in ARCHITECTURES:
                own = self._package(files, f"{component}-tool", version, architecture, component)
                indices.update(_packed(f"{component}/binary-{architecture}/Packages", f"{own}\n{both}"))
                indices.update(_packed(f"{component}/Contents-{architecture}", f"usr/share/{component}-tool utils/{component}-tool\n", (".gz",)))
                indices.update(_packed(f"{component}/cnf/Commands-{architecture}", f"suite: {name}\ncomponent: {component}\narch: {architecture}\n", (".xz",)))
                indices.update(_packed(f"{component}/dep11/Components-{architecture}.yml", "---\nFile: DEP-11\nVersion: '1.0'\n", (".gz",)))
            indices.update(_packed(f"{component}/dep11/icons-48x48.tar", f"icons of {component}", (".gz",)))
            for language in ("en", "de"):
                indices.update(_packed(f"{component}/i18n/Translation-{language}", f"Package: {component}-tool\n", (".xz",)))
            indices.update(_packed(f"{component}/source/Sources", self._source(files, component, version)))
        for architecture in ARCHITECTURES:
            indices.update(_packed(f"Contents-{architecture}", "usr/share/old utils/old\n", (".gz",)))  # where archives had them before
            udeb = self._package(files, "probe-udeb", version, architecture, "main", "udeb")
            indices.update(_packed(f"{UDEBS}/binary-{architecture}/Packages", udeb))
            indices.update(_packed(f"main/Contents-udeb-{architecture}", "bin/probe debian-installer/probe-udeb\n", (".gz",)))
            indices.update(self._installer(files, name, f"main/installer-{architecture}", version))
        indices.update(self._difference(files, name, indices["main/binary-amd64/Packages.xz"]))
        return {**files, **self._signed(f"dists/{name}", name, indices, COMPONENTS)}

    def _package(self, files: Files, name: str, version: str, architecture: str, component: str, suffix: str = "deb") -> str:
        """Build a package and put it into the pool; returns its stanza."""
        path = f"pool/{component}/{name[0]}/{name}/{name}_{version}_{architecture}.{suffix}"
        built = self._work / Path(path).name
        tree = self._work / built.name.replace(".", "-")
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Example Team <team@example.org>\nDescription: {name}\n"
        (tree / "DEBIAN/control").write_text(control)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(built)], stdout=subprocess.DEVNULL, check=True)
        files[path] = built.read_bytes()
        return f"{control}Filename: {path}\nSize: {len(files[path])}\nSHA256: {archives.digest(files[path])}\n"

    def _source(self, files: Files, component: str, version: str) -> str:
        name = f"{component}-tool"
        tar = f"{name}_{version}.tar.gz"
        files[f"pool/{component}/{name[0]}/{name}/{tar}"] = content = f"source of {name} {version}\n".encode()
        listed = f" {archives.digest(content)} {len(content)} {tar}\n"
        dsc = f"Format: 3.0 (native)\nSource: {name}\nBinary: {name}\nArchitecture: any\nVersion: {version}\nChecksums-Sha256:\n{listed}".encode()
        files[f"pool/{component}/{name[0]}/{name}/{name}_{version}.dsc"] = dsc
        return (f"Package: {name}\nBinary: {name}\nVersion: {version}\nFormat: 3.0 (native)\nArchitecture: any\nDirectory: pool/{component}/{name[0]}/{name}\n"
                f"Checksums-Sha256:\n {archives.digest(dsc)} {len(dsc)} {name}_{version}.dsc\n{listed}")

    def _installer(self, files: Files, suite: str, place: str, version: str) -> Files:
        """Images under the name of their version, of which current is a link; here as on mirrors that cannot make links, twice."""
        images = {"netboot/mini.iso": f"image {place} {version}".encode() * 50, "cdrom/vmlinuz": f"kernel {place}".encode(), "MANIFEST": b"netboot/mini.iso\n"}
        sums = "".join(f"{archives.digest(content)}  ./{path}\n" for path, content in images.items()).encode()
        for release in ("current", version):
            files.update({f"dists/{suite}/{place}/{release}/images/{path}": content for path, content in images.items()})
        return {f"{place}/{release}/images/SHA256SUMS": sums for release in ("current", version)}

    def _difference(self, files: Files, suite: str, packed: bytes) -> Files:
        """The pdiff from the state before to this one, as apt reads it (an ed script that replaces the whole text)."""
        now = archives.unpacked(packed)
        before, self._before[suite] = self._before.get(suite, b""), now
        if not before:
            return {}
        script = f"1,{len(before.splitlines())}c\n".encode() + now + b".\n"
        name = "T-2026-01-01-0000.00-F-2026-01-01-0000.00"
        packed_script = archives.packed(name, script, (".gz",))[f"{name}.gz"]
        files[f"dists/{suite}/{DIFF}/{name}.gz"] = packed_script
        rows = {"History": before, "Patches": script, "Download": packed_script}
        names = {"History": name, "Patches": name, "Download": f"{name}.gz"}
        text = f"SHA256-Current: {archives.digest(now)} {len(now)}\n"
        text += "".join(f"SHA256-{row}:\n {archives.digest(data)} {len(data)} {names[row]}\n" for row, data in rows.items())
        return {f"{DIFF}/Index": f"{text}X-Patch-Precedence: merged\n".encode()}

    def _debug(self, version: str) -> Files:
        files: Files = {}
        indices: Files = {}
        for architecture in ARCHITECTURES:
            indices.update(_packed(f"main/binary-{architecture}/Packages", self._package(files, "main-tool-dbgsym", version, architecture, "main")))
        return {**files, **self._signed("dists/stable-debug", "stable-debug", indices, ("main",))}

    def _flat(self, version: str) -> Files:
        files: Files = {}
        stanza = self._package(files, "flat-tool", version, "all", "flat")
        path, content = next(iter(files.items()))
        name = Path(path).name
        return {name: content, **self._signed("", "flat", _packed("Packages", stanza.replace(path, f"./{name}")), ())}

    def _signed(self, directory: str, name: str, indices: Files, components: t.Sequence[str]) -> Files:
        plain = {path.rpartition(".")[0]: archives.unpacked(data) for path, data in indices.items() if path.endswith((".xz", ".gz"))}
        suite = release_file.Suite(name, "Example", "Example", name, "", "", ARCHITECTURES, tuple(components), False, 86400)
        text = release_file.render(suite, {**plain, **indices}, self._date)
        top = f"{directory}/" if directory else ""
        files = {f"{top}{path}": data for path, data in indices.items()}
        for path, data in indices.items():
            folder = f"{top}{path}".rpartition("/")[0]
            files[f"{folder}/by-hash/SHA256/{hashlib.sha256(data).hexdigest()}".lstrip("/")] = data
        files[f"{top}InRelease"] = self._key.clearsign(text, self._signer)
        files[f"{top}Release"] = text
        files[f"{top}Release.gpg"] = self._key.detach(text, self._signer)
        return files


def _packed(path: str, text: str, suffixes: t.Sequence[str] = (".gz", ".xz")) -> Files:
    return archives.packed(path, text.encode(), suffixes)
