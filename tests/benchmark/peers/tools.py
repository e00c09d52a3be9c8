# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are compared, each set up as its own documentation says, with eight connections where it can."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
from urllib.parse import urlsplit

from peers.bed import SUITE, Upstream

CONNECTIONS = 8
_APT_MIRROR_2 = "apt-mirror==16"  # the name apt-mirror2 has on PyPI

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position


class Tool:
    """A mirroring tool that works in a directory of its own.

    needs: Debian package. checks: what it compares packages with. published: below the directory, where readers find the
    metadata; "" for what publishes in a step of its own. floor: fetches packages and does nothing else.
    """

    name = ""
    needs = ""
    kind = "deb"
    checks = ""
    published = ""
    floor = False

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def program(self) -> str:
        """The program's path, "" where it is missing."""
        return shutil.which(self.needs) or ""

    def version(self) -> str:
        """As its package has it."""
        return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.needs], check=True, stdout=subprocess.PIPE).stdout.decode()

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        """Set up anew in an empty directory; return the command that syncs. url: of the upstream."""
        raise NotImplementedError

    def environment(self, upstream: Upstream) -> t.Dict[str, str]:
        """What is different when it runs."""
        return {"GNUPGHOME": str(upstream.keys.home)}

    def packages(self) -> t.Iterator[pathlib.Path]:
        """The packages it has fetched."""
        return (path for path in self.directory.rglob(f"*.{self.kind}") if path.is_file())


class Curl(Tool):
    """What the network and the disk take."""

    name, needs, floor, checks = "curl -Z", "curl", True, "nothing"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        self.kind = upstream.kind
        lines = [f'url = "{url}/{path}"\noutput = "{self.directory}/{number}.{upstream.kind}"\n' for number, path in enumerate(upstream.files())]
        settings = self.directory / "curl.conf"
        settings.write_text("".join(lines))
        return [self.program(), "-sS", "--no-progress-meter", "-Z", "--parallel-max", str(CONNECTIONS), "-K", str(settings)]


class CmdMirror(Tool):
    """Ours: the program as it is installed on a mirror host."""

    name, needs, checks, published = "cmd-mirror", "python3", "SHA-256", "mirror/bench/bench"
    _python = "/usr/bin/python3"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        program, settings = self.directory / "cmd-mirror", self.directory / "config.json"
        build, = load("plugins.module_utils._mirror.program")
        program.write_bytes(build.build(str(pathlib.Path(__file__).resolve().parents[3] / "plugins/module_utils"), self._python))
        program.chmod(0o755)
        source = {"name": "bench", "format": upstream.kind, "urls": [url], "keyring": str(upstream.keys.file)}
        source.update({"suites": [SUITE], "architectures": ["amd64"]} if upstream.kind == "deb" else {})
        (self.directory / "mirror").mkdir()
        settings.write_text(json.dumps({"root": str(self.directory / "mirror"), "sets": {"bench": {"sources": [source]}}, "connections": CONNECTIONS}))
        return [str(program), "--config", str(settings), "sync"]

    def version(self) -> str:
        """Of the Python it runs on."""
        return "on " + subprocess.run([self._python, "-V"], check=True, stdout=subprocess.PIPE).stdout.decode().strip()

    def packages(self) -> t.Iterator[pathlib.Path]:
        """By their SHA-256, metadata among them."""
        return (self.directory / "mirror/store/sha256").glob("*/*")


class Aptly(Tool):
    """Publishing is another command, and not counted."""

    name, needs, checks = "aptly", "aptly", "all digests"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        settings = self.directory / "aptly.conf"
        settings.write_text(json.dumps({"rootDir": str(self.directory), "downloadConcurrency": CONNECTIONS, "architectures": ["amd64"], "gpgProvider": "gpg"}))
        words = [self.program(), f"-config={settings}", "mirror"]
        create = [*words, "create", f"-keyring={upstream.keys.file}", "bench", url, SUITE, "main"]
        subprocess.run(create, check=True, env={**os.environ, **self.environment(upstream)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [*words, "update", f"-keyring={upstream.keys.file}", "bench"]


class Reprepro(Tool):
    """Exports its own, newly signed metadata at the end."""

    name, needs, checks, published = "reprepro", "reprepro", "SHA-256", f"dists/{SUITE}"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        (self.directory / "conf").mkdir()
        (self.directory / "conf/distributions").write_text(f"Codename: {SUITE}\nArchitectures: amd64\nComponents: main\nUpdate: up\nSignWith: default\n")
        (self.directory / "conf/updates").write_text(f"Name: up\nMethod: {url}\nSuite: {SUITE}\nVerifyRelease: {upstream.keys.name[-16:]}\n")
        return [self.program(), "-b", str(self.directory), "update"]


class Debmirror(Tool):
    """One connection."""

    name, needs, checks, published = "debmirror", "debmirror", "size", f"dists/{SUITE}"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        place = urlsplit(url)
        return [self.program(), str(self.directory), "--method=http", f"--host={place.netloc}", f"--root={place.path.strip('/')}", f"--dist={SUITE}",
                "--section=main", "--arch=amd64", "--nosource", "--i18n", "--rsync-extra=none", "--diff=none", f"--keyring={upstream.keys.file}"]


class AptMirror(Tool):
    """Eight times wget."""

    name, needs, checks = "apt-mirror", "apt-mirror", "size"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:
        settings = self.directory / "mirror.list"
        for part in ("mirror", "skel", "var"):
            (self.directory / part).mkdir()
        settings.write_text(f"set base_path {self.directory}\nset nthreads {CONNECTIONS}\nset _tilde 0\nset run_postmirror 0\n" + self._line(url, upstream))
        self.published = f"mirror/{urlsplit(url).netloc}{urlsplit(url).path}/dists/{SUITE}"
        return [self.program(), str(settings)]

    def packages(self) -> t.Iterator[pathlib.Path]:
        """Without those that are only being fetched."""
        return (self.directory / "mirror").rglob("*.deb")

    def _line(self, url: str, upstream: Upstream) -> str:  # noqa: ARG002  the other one names the key
        return f"deb-amd64 {url} {SUITE} main\n"


class AptMirror2(AptMirror):
    """The one written anew in Python, from PyPI."""

    name, checks = "apt-mirror2", "SHA-256"
    venv = pathlib.Path(__file__).resolve().parents[3] / ".cache/benchmark/apt-mirror2"

    def program(self) -> str:
        found = self.venv / "bin/apt-mirror"
        return str(found) if found.exists() else ""

    def version(self) -> str:
        return _APT_MIRROR_2.partition("==")[2]

    def _line(self, url: str, upstream: Upstream) -> str:
        return f"set gpg_verify force\ndeb [ arch=amd64 signed-by={upstream.keys.file} ] {url} {SUITE} main\n"


class Reposync(Tool):
    """dnf's own; both limits of connections have to be raised."""

    name, needs, kind, checks, published = "dnf reposync", "dnf", "rpm", "SHA-256", "sync/bench"

    def prepare(self, url: str, upstream: Upstream) -> t.List[str]:  # noqa: ARG002  dnf asks for the key itself
        for part in ("repos", "root", "cache"):
            (self.directory / part).mkdir()
        (self.directory / "repos/bench.repo").write_text(f"[bench]\nname=bench\nbaseurl={url}\ngpgcheck=0\nenabled=1\n")
        options = {"reposdir": self.directory / "repos", "cachedir": self.directory / "cache", "logdir": self.directory / "cache",
                   "max_parallel_downloads": CONNECTIONS, "max_downloads_per_mirror": CONNECTIONS}
        return [self.program(), "-q", *[f"--setopt={name}={value}" for name, value in options.items()], "--installroot", str(self.directory / "root"),
                "--releasever=1", "--refresh", "reposync", "--repoid=bench", "-p", str(self.directory / "sync"), "--download-metadata", "--delete"]

    def packages(self) -> t.Iterator[pathlib.Path]:
        return (self.directory / "sync").rglob("*.rpm")


DEB: t.Tuple[t.Type[Tool], ...] = (Curl, CmdMirror, Aptly, Reprepro, Debmirror, AptMirror, AptMirror2)
RPM: t.Tuple[t.Type[Tool], ...] = (Curl, CmdMirror, Reposync)
_ALSO = ("nginx-light", "gpg", "gpgv", "apt-utils", "createrepo-c", "rpm", "dnf-plugins-core")


def install() -> None:
    """Bring in what is missing: Debian's packages, and apt-mirror2 into a venv in .cache. One that cannot be had is left out."""
    wanted = sorted({tool.needs for tool in (*DEB, *RPM)} | set(_ALSO))
    ask = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted]
    known = subprocess.run(ask, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().splitlines()
    for name in [name for name in wanted if f"{name} installed" not in known]:
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", name], check=False, stdout=subprocess.DEVNULL)
    if not AptMirror2.venv.exists():
        subprocess.run([sys.executable, "-m", "venv", str(AptMirror2.venv)], check=True)
        subprocess.run([str(AptMirror2.venv / "bin/pip"), "install", "--quiet", _APT_MIRROR_2], check=False)
