# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of two formats on loopback, made by egi.cmd.repository, and definitions of images from it and this machine's own base."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

WORK = Path(os.environ["LAB_STATE"])
SITE, KEYS = WORK / "site", WORK / "keys"
EPOCH = 1763596800
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,), **environment: str) -> str:
    """Run a program; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=900,
                          env={**os.environ, **environment})
    assert done.returncode in good, f"{' '.join(command)[:200]}: {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}"
    return done.stdout


def called(name: str, arguments: Answer, check: bool = False) -> t.List[str]:
    """The command that calls a module on this machine; the system's Python, where dnf's bindings are."""
    return ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-m", f"egi.cmd.{name}",
            *(["--check"] if check else []), "--diff", "-a", json.dumps(arguments)]


def module(name: str, good: bool = True, check: bool = False, arguments: t.Optional[Answer] = None, **environment: str) -> Answer:
    """Call a module; return what it returns, and as ``said`` all that was printed: Ansible takes the diff out of the result."""
    text = run(called(name, arguments or {}, check), good=(0,) if good else (2,), ANSIBLE_NOCOLOR="1", **environment)
    assert "Traceback" not in text, text
    start = text.index("localhost |")
    answer: Answer = json.loads(text[text.index("=> {", start) + 3:])
    return {**answer, "said": text}


def key() -> str:
    """The fingerprint of the release's key, which is made on first use."""
    gpg = ["gpg", "--homedir", str(KEYS), "--batch", "--quiet"]
    KEYS.mkdir(mode=0o700, exist_ok=True)
    if not (WORK / "site.asc").exists():
        run([*gpg, "--passphrase", "", "--quick-generate-key", "Site <release@site.example.org>", "rsa3072", "sign", "never"])
        run([*gpg, "--armor", "--output", str(WORK / "site.asc"), "--export"])
    return next(line.split(":")[9] for line in run([*gpg, "--with-colons", "--list-keys"]).splitlines() if line.startswith("fpr:"))


def deb(directory: Path, name: str, version: str) -> None:
    """Build a small Debian package."""
    tree = WORK / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share" / name).mkdir(parents=True)
    (tree / "usr/share" / name / "version").write_text(f"{version}\n")
    (tree / "DEBIAN/control").write_text(f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Site <release@site.example.org>\n"
                                         f"Description: {name}\n")
    directory.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(directory / f"{name}_{version}_all.deb")])


def rpm(directory: Path, name: str, version: str) -> None:
    """Build and sign a small RPM package."""
    spec = WORK / f"{name}.spec"
    spec.write_text(f"Name: {name}\nVersion: {version}\nRelease: 1\nSummary: {name}\nLicense: GPL-3.0-or-later\nBuildArch: noarch\n%description\n{name}\n"
                    f"%install\nmkdir -p %{{buildroot}}/usr/share/{name}\necho {version} >%{{buildroot}}/usr/share/{name}/version\n%files\n/usr/share/{name}\n")
    directory.mkdir(parents=True, exist_ok=True)
    run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {WORK}/rpmbuild", "--define", f"_rpmdir {directory}", "--define",
         "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", str(spec)])
    run(["rpmsign", "--define", "__gpg /usr/bin/gpg", "--define", f"_gpg_name {key()}", "--addsign", str(directory / f"{name}-{version}-1.noarch.rpm")],
        GNUPGHOME=str(KEYS))


def publish(version: str) -> None:
    """Publish site-tool of this version in both formats, and keep what is there then as snapshot site-1-<version>."""
    common: Answer = {"origin": "Example Site", "key_home": str(KEYS), "signing_keys": [key()], "key_name": "site", "contents": False}
    deb(WORK / "incoming/deb", "site-tool", version)
    rpm(WORK / "incoming/rpm", "site-tool", version)
    suites = [{"name": f"{codename()}-site-1", "components": {"main": [str(WORK / "incoming/deb")]}},
              {"name": f"{codename()}-site-1-updates", "components": {"main": []}}]
    module("repository", arguments={**common, "path": str(SITE / "deb"), "format": "deb", "architectures": ["amd64"], "suites": suites})
    parts = [{"path": "base", "packages": [str(WORK / "incoming/rpm")]}, {"path": "updates", "packages": []}]
    module("repository", arguments={**common, "path": str(SITE / "rpm"), "format": "rpm", "architectures": ["x86_64"], "repositories": parts})
    for form in ("deb", "rpm"):
        shutil.copytree(SITE / form, SITE / "snapshots" / f"site-1-{version}" / form, symlinks=True)


@functools.lru_cache(maxsize=1)
def codename() -> str:
    """Of the distribution this machine runs."""
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return told["VERSION_CODENAME"].strip('"')


def release() -> Answer:
    """The release manifest; nothing answers at its addresses."""
    return {
        "schema": 1, "name": "site-1", "distribution": "SITE", "version": "1", "kinds": ["base", "updates"],
        "platforms": {codename(): {"os": ["Debian"], "codename": codename(), "format": "deb"}, "el9": {"os": ["AlmaLinux"], "version": "9", "format": "rpm"}},
        "deb": {"uri": "http://repo.example.org/deb", "snapshot_uri": "http://repo.example.org/snapshots/{snapshot}/deb",
                "suite": "{codename}-{release}{suffix}", "components": ["main"], "origin": "Example Site"},
        "rpm": {"baseurl": "http://repo.example.org/rpm/{kind}", "snapshot_baseurl": "http://repo.example.org/snapshots/{snapshot}/rpm/{kind}",
                "signed_metadata": True},
        "keys": [{"fingerprint": key(), "content": (WORK / "site.asc").read_text()}],
    }


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves without a line for each request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


def serve() -> http.server.ThreadingHTTPServer:
    """Serve the site on loopback until shutdown()."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
