# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real packages: a typed spec in, a .deb (dpkg-deb) or .rpm (rpmbuild) out, deterministic and cached by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from lab.hosts import ENTER
from lab.roots import LabError

_BUILD = "var/tmp/lab-build"
_EPOCH = "1767225600"  # 2026-01-01: the same bytes on every machine and every day
_MAINTAINER = "Demo Release Team <release@demo.example>"
_RECIPE = "1"
# rpm goes on after a failing %post; Lua, because the throw-away rpm hosts have no package that provides a shell.
_FAILS_DEB = "#!/bin/sh\nmkdir -p /var/lib/%(name)s\ntouch /var/lib/%(name)s/migrated\necho '%(name)s: cannot migrate the database' >&2\nexit 3\n"
_FAILS_RPM = "posix.mkdir('/var/lib/%(name)s') io.open('/var/lib/%(name)s/migrated', 'w'):close() error('cannot migrate the database')"


@dataclass(frozen=True)
class File:
    """One file of a package."""

    content: str
    mode: int = 0o644


@dataclass(frozen=True)
class Package:
    """One package for one format, architecture all or noarch.

    fails: whether its script ends the installation in the middle, after it has changed the data in /var/lib/<name>.
    """

    format: t.Literal["deb", "rpm"]
    name: str
    version: str
    release: str
    files: tuple[tuple[str, File], ...] = ()
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    fails: bool = False

    @property
    def file_name(self) -> str:
        """The package file's customary name."""
        if self.format == "deb":
            return f"{self.name}_{self.version}-{self.release}_all.deb"
        return f"{self.name}-{self.version}-{self.release}.noarch.rpm"

    @property
    def digest(self) -> str:
        """Names the content: the same spec gives the same file."""
        return hashlib.sha256(f"{_RECIPE} {self!r}".encode()).hexdigest()[:16]


def build(packages: t.Iterable[Package], root: Path, cache: Path) -> dict[Package, Path]:
    """Build what the cache does not have, with the tools of the repository host at root; return where each file is."""
    places = {package: cache / package.digest / package.file_name for package in packages}
    missing = [package for package, place in places.items() if not place.exists()]
    if missing:
        shutil.rmtree(root / _BUILD, ignore_errors=True)
        (root / _BUILD).mkdir(parents=True)
        _build_debs([package for package in missing if package.format == "deb"], root)
        _build_rpms([package for package in missing if package.format == "rpm"], root)
        for package in missing:
            _keep(root / _BUILD / "out" / package.digest / package.file_name, places[package])
        shutil.rmtree(root / _BUILD)
    return places


def _keep(built: Path, place: Path) -> None:
    """Copy a built package into the cache: whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    shutil.copyfile(built, part)
    part.rename(place)


def build_here(packages: t.Iterable[Package], target: Path) -> None:
    """Build .deb packages with this machine's own dpkg-deb; target: the directory they come to be in."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for package in packages:
            tree = Path(place) / package.digest
            _lay_out(package, tree)
            command = ["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(tree), str(target / package.file_name)]
            done = subprocess.run(command, env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
            if done.returncode:
                raise LabError(f"cannot build {package.file_name}:\n{done.stdout}")


def _lay_out(package: Package, tree: Path) -> None:
    """Write what a .deb package is built from."""
    _write_files(package, tree)
    _write(tree / "DEBIAN/control", _control(package), 0o644)
    if package.fails:
        _write(tree / "DEBIAN/postinst", _FAILS_DEB % {"name": package.name}, 0o755)


def _build_debs(packages: t.Sequence[Package], root: Path) -> None:
    for package in packages:
        _lay_out(package, root / _BUILD / package.digest)
        (root / _BUILD / "out" / package.digest).mkdir(parents=True)
    commands = [f"dpkg-deb -Zgzip --root-owner-group --build {p.digest} out/{p.digest}/{p.file_name}" for p in packages]
    run_inside(root, "\n".join([f"cd /{_BUILD}", *commands]), "build the deb packages")


def _control(package: Package) -> str:
    fields = {
        "Package": package.name,
        "Version": f"{package.version}-{package.release}",
        "Architecture": "all",
        "Maintainer": _MAINTAINER,
        "Section": "misc",
        "Priority": "optional",
        "Depends": ", ".join(package.depends),
        "Provides": ", ".join(package.provides),
        "Description": f"{package.name} of the demonstration",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _build_rpms(packages: t.Sequence[Package], root: Path) -> None:
    """One rpmbuild call for all specs: starting it costs more than a package."""
    if not packages:
        return
    for package in packages:
        _write_files(package, root / _BUILD / package.digest)
        _write(root / _BUILD / f"{package.digest}.spec", _spec(package), 0o644)
    defines = {
        "_topdir": f"/{_BUILD}/rpm",
        "_rpmdir": f"/{_BUILD}/out",
        "_build_name_fmt": "%{lab_digest}/%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_binary_payload": "w1.gzdio",
        "_buildhost": "build.demo.example",
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "debug_package": "%{nil}",
        "__os_install_post": "%{nil}",
    }
    options = " ".join(f"--define '{name} {value}'" for name, value in defines.items())
    specs = " ".join(f"{package.digest}.spec" for package in packages)
    run_inside(root, f"cd /{_BUILD} && rpmbuild -bb {options} {specs}", "build the rpm packages")


def _spec(package: Package) -> str:
    header = [
        f"%global lab_digest {package.digest}",
        f"Name: {package.name}",
        f"Version: {package.version}",
        f"Release: {package.release}",
        f"Summary: {package.name} of the demonstration",
        "License: GPL-3.0-or-later",
        f"Packager: {_MAINTAINER}",
        "BuildArch: noarch",
        "AutoReqProv: no",
        *(f"Requires: {name}" for name in package.depends),
        *(f"Provides: {name}" for name in package.provides),
    ]
    files = [f"%attr({file.mode:04o}, root, root) {path}" for path, file in package.files]
    sections = ["%description", f"{package.name} of the demonstration.", "%install", "mkdir -p %{buildroot}"]
    sections.append(f"cp -a /{_BUILD}/{package.digest}/. %{{buildroot}}/")
    if package.fails:
        sections += ["%pre -p <lua>", _FAILS_RPM % {"name": package.name}]
    return "\n".join([*header, *sections, "%files", *files]) + "\n"


def _write_files(package: Package, tree: Path) -> None:
    tree.mkdir(parents=True)
    for path, file in package.files:
        _write(tree / path.lstrip("/"), file.content, file.mode)


def _write(path: Path, content: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


def run_inside(root: Path, script: str, what: str, **variables: str) -> str:
    """Run a shell script in a host's root; return its standard output, or raise LabError with the end of all it said."""
    variables = {"SOURCE_DATE_EPOCH": _EPOCH, "DEBIAN_FRONTEND": "noninteractive", **variables}
    command = [str(ENTER), str(root), "env", *(f"{name}={value}" for name, value in variables.items()), "sh", "-euc", script]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LabError(f"cannot {what}: ended with {done.returncode}:\n{tail}")
    return done.stdout
