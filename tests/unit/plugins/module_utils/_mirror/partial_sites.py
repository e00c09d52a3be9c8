# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror that rebuilds what it mirrors, from upstreams that are directories; every signature is real."""

from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror import console, deb_slicer
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys

FINGERPRINTS: t.Dict[str, str] = {}  # of the keys upstream and site, filled by the test that makes them
Answer = t.Dict[str, t.Any]


class Site:
    """A mirror root with a configuration; ``sources`` and ``told`` (of the set) are changed by the tests."""

    def __init__(self, work: pathlib.Path, key: keys.Keys, printed: t.Callable[[], t.Tuple[str, str]]) -> None:
        self.work, self.key, self._printed = work, key, printed
        self._date = int(time.time()) - 5000
        self.keyring = key.keyring(work / "upstream.gpg", FINGERPRINTS["upstream"])
        self.public = key.keyring(work / "site.gpg", FINGERPRINTS["site"])
        self.told: Answer = {"signing": {"home": key.home, "keys": [FINGERPRINTS["site"]]}}
        self.sources: t.Dict[str, Answer] = {}

    def deb(self, name: str, *stanzas: str, **told: t.Any) -> None:
        """Publish a suite of an archive, and make it a source."""
        text = "\n".join(stanzas).encode()
        indices = archives.packed("main/binary-amd64/Packages", text)
        indices.update(archives.packed("main/i18n/Translation-en", b"\n".join(
            f"Package: {one}\nDescription-md5: {'0' * 32}\nDescription-en: example\n".encode() for one in ("app", "lib", "tool"))))
        files = {path[1:]: data for path, data in archives.served("dists/suite", indices).items()}
        for entry in deb_slicer.packages([text], "Packages"):
            files[entry.wanted.path] = f"{entry.package} {entry.version}".encode()
        self._date += 1
        files["dists/suite/InRelease"] = self.key.clearsign(archives.release("suite", indices, date=self._date), FINGERPRINTS["upstream"])
        self._offer(name, files)
        self._source(name, "deb", {"suites": ["suite"], "architectures": ["amd64"]}, told)

    def rpm(self, name: str, *packages: str, requires: str = "", **told: t.Any) -> None:
        """Publish a repository of packages ``name-version``, which all require something or nothing, and make it a source."""
        self._date += 1
        split = [one.split("-") for one in packages]
        needs = f'<rpm:requires><rpm:entry name="{requires}"/></rpm:requires><rpm:provides>' if requires else "<rpm:provides>"
        texts = [archives.rpm_package(one, f"{one} {version}".encode(), version=version).replace("<rpm:provides>", needs) for one, version in split]
        primary = archives.primary(*texts)
        packed = archives.packed("", primary, (".gz",))[".gz"]
        where = f"repodata/{archives.digest(packed)}-primary.xml.gz"
        repomd = archives.repomd({"primary": (where, packed, len(primary))}, revision=str(self._date))
        files = {f"Packages/{one}-{version}-1.noarch.rpm": f"{one} {version}".encode() for one, version in split}
        files.update({where: packed, "repodata/repomd.xml": repomd, "repodata/repomd.xml.asc": self.key.detach(repomd, FINGERPRINTS["upstream"])})
        self._offer(name, files)
        self._source(name, "rpm", {}, told)

    def sync(self, good: int = 0) -> t.Any:
        """What a sync says about the set, or on standard error."""
        answer = self.run("sync", good=good)
        return answer["sets"]["set"] if good == 0 else answer

    def run(self, *arguments: str, good: int = 0, root: str = "mirror") -> t.Any:
        """Run the program; return its result, or what it says on standard error."""
        configuration = self.work / f"{root}.json"
        told = {**self.told, "sources": list(self.sources.values()), "keep": {"count": 1, "grace_hours": 0, "most": 1}}
        configuration.write_text(json.dumps({"root": str(self.work / root), "margin": 0, "retries": 0, "sets": {"set": told}}))
        code = console.main(["--config", str(configuration), "--json", *arguments])
        output, errors = self._printed()
        assert code == good and "Traceback" not in errors, output + errors
        return json.loads(output) if output and good in (0, 4) else errors

    def path(self, *parts: str, root: str = "mirror") -> pathlib.Path:
        """What a reader of the set gets."""
        return self.work.joinpath(root, "set", *parts)

    def shown(self) -> t.Optional[str]:
        """The snapshot readers see."""
        return os.readlink(self.path()) if self.path().is_symlink() else None

    def _offer(self, name: str, files: archives.Files) -> None:
        for path, data in files.items():
            (self.work / name / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name / path).write_bytes(data)

    def _source(self, name: str, form: str, own: Answer, told: Answer) -> None:
        before = self.sources.get(name, {"name": name, "format": form, "urls": [f"file://{self.work}/{name}"], "keyring": self.keyring, **own})
        self.sources[name] = {**before, **told}


def stanza(name: str, version: str = "1.0-1", **fields: str) -> str:
    """A stanza of Packages; the package's content is its name and version."""
    text = archives.stanza(name, f"{name} {version}".encode(), version=version)
    return text + "".join(f"{field.replace('_', '-')}: {value}\n" for field, value in fields.items())
