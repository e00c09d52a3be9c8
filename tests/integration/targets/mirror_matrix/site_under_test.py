# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small upstream that can lie in every way, a mirror of it, and what anybody can see of both."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys, web_server

INDEX = "main/binary-amd64/Packages"
SUITE = "deb/dists/suite"
_SENTENCE = re.compile(r"Failed to [^:]+: .+\. [A-Z].+\.", re.DOTALL)  # what, why, and the way out
_PACKAGE = re.compile("deb/pool/|rpm/Packages/")
# A bomb that is unpacked into memory ends the run with a traceback. Stacks of threads count as well.
_LIMITED = ("prlimit", f"--data={512 << 20}")

Files = archives.Files


class Answer(t.NamedTuple):
    """What a run of cmd-mirror ended with. told: the message a person reads."""

    code: int
    told: str
    data: t.Any


class Signers:
    """The upstream's key, and one the mirror does not know; shared by all sites, because making them takes longer than a sync."""

    def __init__(self, key: keys.Keys, work: Path) -> None:
        self.key = key
        self.work = work
        self.trusted, self.stranger = key.make("upstream"), key.make("stranger")
        self.keyring = key.keyring(work / "keys.gpg", self.trusted)

    def of_a_mirror(self, name: str) -> t.Dict[str, t.Any]:
        """What a mirror signs with: a GnuPG home of its own, whose agent it ends itself."""
        home = self.work / f"{name}.gnupg"
        home.mkdir(mode=0o700)
        fingerprint = keys.Keys(str(home)).make("site")
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
        return {"home": str(home), "keys": [fingerprint]}


class Site:
    """An upstream of six packages, deb and rpm, served honestly until told otherwise; and the mirror's directories."""

    def __init__(self, work: Path, signers: Signers, program: Path, seed: int, rebuilt: bool = False) -> None:
        """rebuilt: the mirror selects every package, and makes and signs indices of its own."""
        self.work, self.signers, self.program = work, signers, program
        self.random = random.Random(seed)
        self.root = work / "srv/mirror"
        self.config = work / "config.json"
        for directory in ("srv", "tmp"):
            (work / directory).mkdir(parents=True)
        self.packages = {f"package{number}": (1, self.content()) for number in range(6)}
        self.state = 0
        self.accepted: t.Set[t.Tuple[str, str]] = set()  # path and SHA-256 of all that was mirrored
        self.epoch = int(time.time()) - 5000  # every state a second later, all of them in the past
        self.server = web_server.Upstream({})
        self.signing = signers.of_a_mirror(work.name) if rebuilt else None
        self.configure()

    def configure(self, url: str = "", **settings: t.Any) -> None:
        """Write the mirror's configuration. url: of the upstream; settings: for the whole mirror."""
        url = url or self.server.url
        both: t.Dict[str, t.Any] = {"keyring": self.signers.keyring}
        of_set: t.Dict[str, t.Any] = {}
        if self.signing:
            both.update(mode="rebuilt", select=[{"patterns": [".*"]}])
            of_set["signing"] = self.signing
        sources = [{"name": "deb", "format": "deb", "urls": [f"{url}deb"], "suites": ["suite"], **both},
                   {"name": "rpm", "format": "rpm", "urls": [f"{url}rpm"], **both}]
        whole = {"root": str(self.root), "margin": 0, "retries": 1, "timeout": 2, "sets": {"set": {"sources": sources, **of_set}}, **settings}
        self.config.write_text(json.dumps(whole))

    def content(self, size: int = 3000) -> bytes:
        """A package nobody has seen."""
        return self.random.randbytes(size)

    def advance(self) -> None:
        """New versions of two packages, not offered yet."""
        self.state += 1
        for name in ("package1", "package4"):
            self.packages[name] = (self.packages[name][0] + 1, self.content())

    def offer(self, deb: t.Optional[Files] = None, rpm: t.Optional[Files] = None) -> Files:
        """Let the upstream serve its state, or for one family something else; return what it serves, by path."""
        files = {**(self.deb() if deb is None else deb), **(self.rpm() if rpm is None else rpm)}
        self.serve(files)
        return files

    def serve(self, files: Files) -> None:
        """Let the upstream serve exactly these files."""
        self.server.faults.clear()
        self.server.always = None
        self.server.files = {f"/{path}": content for path, content in files.items()}

    @property
    def date(self) -> int:
        """Of the state that is offered now."""
        return self.epoch + self.state

    def new_package(self, family: str) -> str:
        """The path of a package the mirror does not have yet."""
        name, (number, _content) = "package4", self.packages["package4"]
        return {"deb": _deb_path, "rpm": _rpm_path}[family](name, number)

    def deb(self, indices: t.Optional[Files] = None, unpacked: t.Optional[Files] = None, date: int = 0, valid_for: int = 86400, by_hash: bool = True,
            signer: str = "", more: str = "", inline: bool = True) -> Files:
        """The deb archive. indices: other ones than those of the packages; unpacked: listed as such; more: further stanzas;
        inline: InRelease, else Release and Release.gpg."""
        files: Files = {}
        stanzas = []
        for name, (number, content) in self.packages.items():
            files[_deb_path(name, number)] = content
            stanzas.append(archives.stanza(name, content, version=f"{number}.0-1"))
        if indices is None:
            indices = archives.packed(INDEX, "\n".join([*stanzas, *filter(None, [more])]).encode())
        release = archives.release("suite", indices, unpacked, date or self.date, valid_for, by_hash)
        files.update({path[1:]: data for path, data in archives.served(SUITE, indices, by_hash).items()})
        signer = signer or self.signers.trusted
        if inline:
            return {**files, f"{SUITE}/InRelease": self.signers.key.clearsign(release, signer)}
        return {**files, f"{SUITE}/Release": release, f"{SUITE}/Release.gpg": self.signers.key.detach(release, signer)}

    def rpm(self, primary: bytes = b"", packed: bytes = b"", open_size: int = 0, date: int = 0, signer: str = "", href: str = "", more: str = "") -> Files:
        """The rpm repository. primary: another one than that of the packages; packed: as served; href: where; more: further packages."""
        files: Files = {}
        elements = []
        for name, (number, content) in self.packages.items():
            path = _rpm_path(name, number)
            content += b"rpm"  # nothing that came with the other family is spared
            files[path] = content
            elements.append(archives.rpm_package(name, content, href=path[len("rpm/"):], version=f"{number}.0"))
        primary = primary or archives.primary(*elements, *filter(None, [more]))
        packed = packed or archives.packed("", primary, (".gz",))[".gz"]
        href = href or f"repodata/{archives.digest(packed)}-primary.xml.gz"
        repomd = archives.repomd({"primary": (href, packed, open_size or len(primary))}, revision=str(date or self.date))
        signature = self.signers.key.detach(repomd, signer or self.signers.trusted)
        return {**files, f"rpm/{href}": packed, "rpm/repodata/repomd.xml": repomd, "rpm/repodata/repomd.xml.asc": signature}

    def run(self, *arguments: str) -> Answer:
        """Run cmd-mirror as a person does. Whatever the upstream does, it ends."""
        done = subprocess.run([*_LIMITED, sys.executable, str(self.program), "--config", str(self.config), "--json", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False, cwd=self.work / "tmp",
                              env={**os.environ, "TMPDIR": str(self.work / "tmp"), "HOME": str(self.work / "tmp")})
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        data = json.loads(done.stdout) if done.stdout else None
        told = data["sets"]["set"]["error"] if arguments == ("sync",) and data and done.returncode == 1 else done.stderr
        return Answer(done.returncode, told, data)

    def brings(self, files: t.Optional[Files] = None) -> None:
        """A sync succeeds, and what readers get is what the upstream offered: files, or what it serves now."""
        answer = self.run("sync")
        assert answer.code == 0, answer
        expected = files or {path[1:]: content for path, content in self.server.files.items()}
        seen = self.readable()
        if self.signing:  # the upstream's packages under the mirror's own indices, which "verify" reads as a client does
            expected, seen = ({path: one for path, one in files.items() if _PACKAGE.match(path)} for files in (expected, seen))
        for path, content in expected.items():
            assert seen.get(path) == archives.digest(content), f"{path} is not what the upstream has"
        # What readers of an earlier state may still ask for stays, under the paths it had.
        self.accepted |= {(path, archives.digest(content)) for path, content in expected.items()}
        strange = set(seen.items()) - self.accepted
        assert not strange, f"readers get what the upstream never had: {strange}"
        assert not list((self.root / "snapshots").glob(".*")), "an unfinished snapshot was left"

    def refuses(self, *told: str) -> Answer:
        """A sync fails; whoever reads the mirror sees no difference, nothing else on the disk was touched, and the message
        has what the regular expressions in told look for."""
        seen, around = self.readable(), self.around()
        answer = self.run("sync")
        assert answer.code == 1, answer
        for word in told:
            assert re.search(word, answer.told), f"{word!r} is not told: {answer.told}"
        assert _SENTENCE.fullmatch(answer.told), f"not a sentence with its way out: {answer.told}"
        # Packages of the next state may lie beside the published ones before an index names them; no other file may.
        more = {path: digest for path, digest in self.readable().items() if seen.get(path) != digest}
        offered = {path[1:]: archives.digest(content) for path, content in self.server.files.items()}
        assert not set(more) & set(seen) and more.items() <= offered.items(), f"readers see something else: {more}"
        assert set(seen) <= set(self.readable()), "readers miss something"
        assert self.around() == around, f"outside the mirror: {set(self.around().items()) ^ set(around.items())}"
        return answer

    def readable(self) -> t.Dict[str, str]:
        """Path -> SHA-256 of every file a reader of the set can reach; none of them lies outside the mirror's root."""
        found = {}
        top = str(self.root / "set")
        for directory, _directories, names in os.walk(top, followlinks=True):
            for name in names:
                path = os.path.join(directory, name)
                assert os.path.realpath(path).startswith(f"{self.root}/"), f"{path} leads to {os.path.realpath(path)}"
                if "/.cmd-mirror/" not in path:
                    found[os.path.relpath(path, top)] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return found

    def around(self) -> t.Dict[str, t.Tuple[t.Any, ...]]:
        """Everything in the work directory that is not the mirror: path -> mode, and of files size, time of change, target."""
        found = {}
        for directory, directories, names in os.walk(self.work):
            directories[:] = [name for name in directories if os.path.join(directory, name) != str(self.root)]
            for name in [*directories, *names]:
                path = os.path.join(directory, name)
                state = os.lstat(path)
                more = () if stat.S_ISDIR(state.st_mode) else (state.st_size, state.st_mtime_ns, os.readlink(path) if os.path.islink(path) else "")
                found[path] = (state.st_mode, *more)
        return found

    def holds_nowhere(self, mark: bytes) -> None:
        """No file of the mirror contains these bytes."""
        for path in self.root.rglob("*"):
            assert not (path.is_file() and not path.is_symlink() and mark in path.read_bytes()), f"{path} holds them"


def _deb_path(name: str, number: int) -> str:
    return f"deb/pool/main/p/{name}/{name}_{number}.0-1_all.deb"


def _rpm_path(name: str, number: int) -> str:
    return f"rpm/Packages/{name}-{number}.0-1.noarch.rpm"


Row = t.Callable[[Site], None]
