# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two mirrors and what is carried between them; the upstream is a directory, its signatures are real."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror import console
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys

FINGERPRINTS: t.Dict[str, str] = {}  # of the keys upstream, exporter and stranger, filled by the test that makes them
Answer = t.Dict[str, t.Any]


class Sites:
    """An upstream, a mirror of it, and an isolated site; medium: where bundles are carried."""

    def __init__(self, work: pathlib.Path, key: keys.Keys, printed: t.Callable[[], t.Tuple[str, str]]) -> None:
        self.work, self.key, self._printed = work, key, printed
        self._date = int(time.time()) - 5000
        self.medium, self.tar, self.iso = work / "medium", work / "bundle.tar", work / "bundle.iso"
        self.trusted = key.keyring(work / "bundles.gpg", FINGERPRINTS["exporter"])
        self.deb = {"name": "deb", "format": "deb", "urls": [f"file://{work}/upstream"], "keyring": key.keyring(work / "keys.gpg", FINGERPRINTS["upstream"]),
                    "suites": ["suite"], "architectures": ["amd64"]}
        self.rpm = {"name": "rpm", "format": "rpm", "urls": [f"file://{work}/upstream/rpm"], "keyring": self.deb["keyring"]}
        self.sources = [self.deb, self.rpm]

    def program(self, site: str, *arguments: str) -> t.List[str]:
        """The program as a process of its own."""
        start = f"import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from {console.__name__} import main; sys.exit(main())"
        return [sys.executable, "-c", start, ":".join(sys.path), "--config", str(self.work / f"{site}.json"), *arguments]

    def root(self, name: str) -> pathlib.Path:
        return self.work / name

    def publish(self, **packages: bytes) -> str:
        """Put packages upstream, as deb and rpm, and sync; return the snapshot."""
        self._date += 1
        indices = archives.packed("main/binary-amd64/Packages", "\n".join(archives.stanza(name, content) for name, content in packages.items()).encode())
        files = {path[1:]: data for path, data in archives.served("dists/suite", indices).items()}
        files.update({f"pool/main/{name[0]}/{name}/{name}_1.0-1_all.deb": content for name, content in packages.items()})
        files["dists/suite/InRelease"] = self.key.clearsign(archives.release("suite", indices, date=self._date), FINGERPRINTS["upstream"])
        primary = archives.primary(*(archives.rpm_package(name, content) for name, content in packages.items()))
        packed = archives.packed("", primary, (".gz",))[".gz"]
        where = f"repodata/{archives.digest(packed)}-primary.xml.gz"
        repomd = archives.repomd({"primary": (where, packed, len(primary))}, revision=str(self._date))
        files.update({f"rpm/Packages/{name}-1.0-1.noarch.rpm": content for name, content in packages.items()})
        files.update({f"rpm/{where}": packed, "rpm/repodata/repomd.xml": repomd})
        files["rpm/repodata/repomd.xml.asc"] = self.key.detach(repomd, FINGERPRINTS["upstream"])
        shutil.rmtree(self.work / "upstream", ignore_errors=True)
        for path, data in files.items():
            (self.work / "upstream" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / "upstream" / path).write_bytes(data)
        return str(self.run("mirror", "sync")["sets"]["set"]["snapshot"])

    def run(self, site: str, *arguments: str, good: int = 0) -> t.Any:
        """Run the program on a site; return its result, or what it says on standard error."""
        configuration = self.work / f"{site}.json"
        configuration.write_text(json.dumps({"root": str(self.root(site)), "margin": 0, "retries": 0, "sets": {"set": {"sources": self.sources}}}))
        code = console.main(["--config", str(configuration), "--json", *arguments])
        output, errors = self._printed()
        assert code == good, output + errors
        return json.loads(output) if output else errors

    def export(self, *arguments: str, signer: str = "exporter", good: int = 0) -> t.Any:
        target = arguments if {"--to", "--tar", "--iso"} & set(arguments) else ("--to", str(self.medium), *arguments)
        return self.run("mirror", "bundle", "export", "set", *target, "--key-home", self.key.home, "--key", FINGERPRINTS[signer], good=good)

    def bring(self, path: t.Optional[pathlib.Path] = None, good: int = 0) -> t.Any:
        return self.run("isolated", "bundle", "import", str(path or self.medium), "--keyring", self.trusted, good=good)

    def refused(self, why: str, path: t.Optional[pathlib.Path] = None) -> None:
        """An import fails with this reason, the site shows what it showed, and nothing is written beside it."""
        before, beside = self.shown(), sorted(os.listdir(self.work))
        message = self.bring(path, good=1)
        assert why in message and "Traceback" not in message, message
        assert self.shown() == before
        assert sorted({*beside, "isolated", "isolated.json"}) == sorted({*os.listdir(self.work), "isolated", "isolated.json"})

    def shown(self) -> t.Tuple[t.List[str], t.Optional[str]]:
        """Snapshots of the isolated site, and where its pointer leads."""
        root = self.root("isolated")
        names = sorted(os.listdir(root / "snapshots")) if root.exists() else []
        return [name for name in names if not name.startswith(".")], os.readlink(root / "set") if (root / "set").is_symlink() else None

    def seen(self, site: str) -> t.Dict[str, t.Tuple[bytes, int]]:
        """Every file a reader of the set gets, and its Last-Modified."""
        top = self.root(site) / "set"
        paths = [pathlib.Path(folder) / name for folder, _folders, names in os.walk(top, followlinks=True) if ".cmd-mirror" not in folder for name in names]
        assert paths
        return {str(path.relative_to(top)): (path.read_bytes(), 0 if path.is_symlink() or "/pool/" in str(path) or "/Packages/" in str(path)
                                             else int(path.stat().st_mtime)) for path in paths}

    def resign(self, change: t.Callable[[Answer], None]) -> None:
        """Change the signed document, and sign it again with the right key: what a hostile exporter could do."""
        document = json.loads((self.medium / "bundle.json").read_bytes())
        change(document)
        data = json.dumps(document).encode()
        (self.medium / "bundle.json").write_bytes(data)
        (self.medium / "bundle.json.asc").write_bytes(self.key.detach(data, FINGERPRINTS["exporter"]))

    def replace(self, old: str, content: bytes) -> str:
        """Put another file into the bundle instead of one."""
        new = archives.digest(content)
        (self.medium / bundles.path_of(old)).unlink()
        target = self.medium / bundles.path_of(new)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        return new
