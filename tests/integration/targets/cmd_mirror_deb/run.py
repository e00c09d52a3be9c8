#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a Debian archive may hold, mirrored over HTTP and from a real rsync daemon, and read by real apt.

Runs inside a lab session with the hosts apt1 and repo; repo's nginx serves the upstream and the mirrors of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

for _path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
    sys.path.append(_path)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from archive import ARCHITECTURES, COMPONENTS, DIFF, UDEBS, Archive  # noqa: E402

from ansible_collections.egi.cmd.plugins.module_utils._mirror import program  # noqa: E402
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "repo")}
SERVED = ROOTS["repo"] / "srv/repository"
LOG = ROOTS["repo"] / "var/log/nginx/access.log"
APT = ROOTS["apt1"] / "etc/apt"
HERE, THERE = "http://127.0.0.1", "http://repo.demo.example"  # the web server, as this program and as apt1 call it
RSYNC_PORT = 8873
EVERYTHING = {"sources": True, "contents": True, "installer": True, "languages": ["en", "de"], "components": [*COMPONENTS, UDEBS]}
# What packages named apt-file, appstream and command-not-found make apt fetch, and where archives had Contents before.
TARGETS = "".join(
    f'Acquire::IndexTargets::deb::{name} {{ MetaKey "{key}"; ShortDescription "{name}"; Description "{name}"; KeepCompressed "true"; Optional "no"; }};\n'
    for name, key in (("Contents", "$(COMPONENT)/Contents-$(ARCHITECTURE)"), ("Legacy", "Contents-$(ARCHITECTURE)"),
                      ("AppStream", "$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml"), ("Icons", "$(COMPONENT)/dep11/icons-48x48.tar"),
                      ("Commands", "$(COMPONENT)/cnf/Commands-$(NATIVE_ARCHITECTURE)")))
Settings = t.Dict[str, t.Any]


class Site:
    """The upstream, mirrors of it, and the host that reads them."""

    def __init__(self, work: Path, key: keys.Keys) -> None:
        self.work = work
        self.key_home, self.signer = key.home, key.make("upstream")
        self.keyring = key.keyring(work / "keys.gpg", self.signer)
        (APT / "keyrings").mkdir(exist_ok=True)
        shutil.copy(self.keyring, APT / "keyrings/upstream.gpg")
        self.program = work / "cmd-mirror"
        self.program.write_bytes(program.build(str(TOP / "plugins/module_utils")))
        self.archive = Archive(SERVED / "upstream", work, key, self.signer, int(time.time()) - 5000)
        self.archive.publish("1.0")

    def source(self, name: str = "debian", url: str = f"{HERE}/upstream/", suites: t.Sequence[str] = ("stable",), **settings: t.Any) -> Settings:
        """A source of a set; its name is also the archive's directory."""
        return {"name": name, "format": "deb", "urls": [f"{url}{name}"], "keyring": self.keyring, "suites": list(suites), **settings}

    def mirror(self, root: str, *sources: Settings, command: t.Sequence[str] = ("sync",)) -> t.Any:
        """Run cmd-mirror on the set ``set`` of a mirror below the web server's root; return its result."""
        config = self.work / f"{root}.json"
        config.write_text(json.dumps({"root": str(SERVED / root), "margin": 0, "retries": 1, "timeout": 10, "sets": {"set": {"sources": sources}}}))
        done = subprocess.run([sys.executable, str(self.program), "--config", str(config), "--json", *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        answer = json.loads(done.stdout)
        return answer["sets"]["set"] if command == ("sync",) else answer

    def apt(self, *arguments: str) -> str:
        """Run an apt program on apt1; a warning is an error."""
        done = subprocess.run(["chroot", str(ROOTS["apt1"]), "env", "--chdir=/root", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
        assert done.returncode == 0 and "W:" not in done.stderr, f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def reads(self, *lines: str, more: str = "") -> None:
        """Let apt1 read these sources and nothing else, with nothing remembered. lines: as in sources.list, without type and key."""
        for directory in ("sources.list.d", "apt.conf.d/99target"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (APT / directory).unlink() if (APT / directory).is_file() else [file.unlink() for file in (APT / directory).iterdir()]
        (APT / "sources.list").write_text("".join(f"deb [signed-by=/etc/apt/keyrings/upstream.gpg] {line}\n" for line in lines))
        (APT / "apt.conf.d/99target").write_text(f'APT::Update::Error-Mode "any";\nAPT::Sandbox::User "root";\n{more}')
        self.apt("find", "/var/lib/apt/lists", "-type", "f", "-delete")
        self.apt("apt-get", "-q", "update")


def held(root: str, name: str = "debian") -> t.Set[str]:
    """What readers of a mirror find, without names by hash."""
    top = SERVED / root / "set" / name
    found = [path[len(str(top)) + 1:] for path in _files(str(top))]
    return {path for path in found if "by-hash" not in path}


def _files(top: str) -> t.Iterator[str]:
    for directory, _directories, names in os.walk(top, followlinks=True):
        yield from (os.path.join(directory, name) for name in names)


def expected(components: t.Iterable[str], architectures: t.Sequence[str], version: str = "1.0", languages: t.Sequence[str] = ("en",)) -> t.Set[str]:
    """What a plain selection of the suite holds."""
    found = {f"dists/stable/{name}" for name in ("InRelease", "Release", "Release.gpg")}
    for component in components:
        top, pool = f"dists/stable/{component}", f"pool/{component}/{component[0]}"
        found |= {f"{top}/binary-{one}/Packages.{suffix}" for one in architectures for suffix in ("gz", "xz")}
        found |= {f"{top}/cnf/Commands-{one}.xz" for one in architectures} | {f"{top}/dep11/Components-{one}.yml.gz" for one in architectures}
        found |= {f"{top}/dep11/icons-48x48.tar.gz"} | {f"{top}/i18n/Translation-{language}.xz" for language in languages}
        found |= {f"{pool}/{component}-tool/{component}-tool_{version}_{one}.deb" for one in architectures}
        found.add(f"{pool}/{component}-data/{component}-data_{version}_all.deb")
    return found


def contents(components: t.Iterable[str], architectures: t.Sequence[str]) -> t.Set[str]:
    """Contents, those of the whole suite included."""
    return {f"dists/stable/{place}Contents-{one}.gz" for one in architectures for place in ("", *(f"{component}/" for component in components))}


def sources(components: t.Iterable[str]) -> t.Set[str]:
    """Source packages."""
    indices = {f"dists/stable/{component}/source/Sources.{suffix}" for component in components for suffix in ("gz", "xz")}
    return indices | {f"pool/{one}/{one[0]}/{one}-tool/{one}-tool_1.0.{suffix}" for one in components for suffix in ("dsc", "tar.gz")}


def udebs(architectures: t.Sequence[str]) -> t.Set[str]:
    """Packages of the installer."""
    indices = {f"dists/stable/{UDEBS}/binary-{one}/Packages.{suffix}" for one in architectures for suffix in ("gz", "xz")}
    return indices | {f"pool/main/p/probe-udeb/probe-udeb_1.0_{one}.udeb" for one in architectures}


def images(architectures: t.Sequence[str]) -> t.Set[str]:
    """The current images of the installer."""
    names = ("SHA256SUMS", "netboot/mini.iso", "cdrom/vmlinuz", "MANIFEST")
    return {f"dists/stable/main/installer-{one}/current/images/{name}" for one in architectures for name in names}


def selection(site: Site) -> None:
    """The plan and the mirror hold what was asked for, file by file, and nothing else."""
    heads = expected((), ())
    amd, both = ["amd64"], list(ARCHITECTURES)
    free = [component for component in COMPONENTS if component != "non-free"]
    rows: t.List[t.Tuple[Settings, t.Set[str]]] = [
        ({"components": ["main"], "architectures": amd}, expected(["main"], amd)),
        ({"components": ["main"], "architectures": both}, expected(["main"], both)),
        ({"components": free, "architectures": ["arm64"]}, expected(free, ["arm64"])),
        ({"components": ["non-free-firmware", "restricted"], "architectures": amd, "languages": ["de"]},
         expected(["non-free-firmware", "restricted"], amd, languages=("de",))),
        ({"architectures": amd}, expected(COMPONENTS, amd)),
        ({}, expected(COMPONENTS, both)),
        ({"components": ["universe"], "architectures": amd, "contents": True}, expected(["universe"], amd) | contents(["universe"], amd)),
        ({"components": ["multiverse"], "architectures": amd, "sources": True}, expected(["multiverse"], amd) | sources(["multiverse"])),
        ({"components": [UDEBS], "architectures": amd}, heads | udebs(amd)),
        ({"components": ["main", UDEBS], "architectures": both, "installer": True}, expected(["main"], both) | udebs(both) | images(both)),
        ({"components": ["main"], "architectures": ["arm64"], "installer": True}, expected(["main"], ["arm64"]) | images(["arm64"])),
    ]
    for number, (settings, wanted) in enumerate(rows):
        root = f"selection-{number}"
        plan = site.mirror(root, site.source(**settings), command=["plan"])["set"]
        later = {(SERVED / "upstream/debian" / path).read_bytes() for path in wanted if path.startswith("pool/") or "images/" in path and "SUMS" not in path}
        assert (plan["fetch_files"], plan["fetch_bytes"]) == (len(later), sum(map(len, later))), f"{settings}: {plan}"
        site.mirror(root, site.source(**settings))
        assert held(root) == wanted, f"{settings}: missing {sorted(wanted - held(root))}, not asked for {sorted(held(root) - wanted)}"


def rsync(site: Site) -> None:
    """From an rsync daemon comes what comes over HTTP; a second run transfers one small file of each suite."""
    config = site.work / "rsyncd.conf"
    config.write_text(f"use chroot = no\nport = {RSYNC_PORT}\naddress = 127.0.0.1\nlog file = {site.work}/rsyncd.log\n"
                      f"transfer logging = yes\nlog format = sent %n\n[upstream]\npath = {SERVED}/upstream\n")
    daemon = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={config}"], stdin=subprocess.DEVNULL)
    try:
        for _attempt in range(50):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", RSYNC_PORT), timeout=1):
                break
            time.sleep(0.1)
        source = site.source(url=f"rsync://127.0.0.1:{RSYNC_PORT}/upstream/", **EVERYTHING)
        assert site.mirror("by-rsync", source)["changed"]
        site.mirror("by-http", site.source(**EVERYTHING))
        tops = [SERVED / root / "set/debian" for root in ("by-rsync", "by-http")]
        ours, other = ({path[len(str(top)):]: Path(path).read_bytes() for path in _files(str(top))} for top in tops)
        assert ours == other and len(ours) > 200, len(ours)
        log = site.work / "rsyncd.log"
        before = log.stat().st_size
        assert not site.mirror("by-rsync", source)["changed"]
        sent = [line.partition("] sent ")[2] for line in log.read_text()[before:].splitlines() if "] sent debian/" in line]
        assert sent == ["debian/dists/stable/InRelease"], log.read_text()[before:]
    finally:
        daemon.terminate()
        daemon.wait()


def everything_apt_reads(site: Site) -> None:
    """apt takes every kind of index from the mirror, packages of both architectures, sources and udebs."""
    site.mirror("whole", site.source(**EVERYTHING))
    site.apt("dpkg", "--add-architecture", "arm64")
    try:
        _everything(site)
    finally:
        site.apt("dpkg", "--remove-architecture", "arm64")


def _everything(site: Site) -> None:
    mirrored = f"{THERE}/whole/set/debian stable"
    site.reads(f"{mirrored} {' '.join(COMPONENTS)}", more=TARGETS)
    # Images of Debian pack them anew as lz4.
    lists = {path.name.partition("_dists_stable_")[2].replace(".lz4", "") for path in (ROOTS["apt1"] / "var/lib/apt/lists").iterdir()}
    for component in COMPONENTS:
        for one in ARCHITECTURES:
            assert {f"{component}_binary-{one}_Packages", f"{component}_Contents-{one}", f"Contents-{one}"} <= lists, sorted(lists)
        for index in ("cnf_Commands-amd64", "dep11_Components-amd64.yml", "dep11_icons-48x48.tar", "i18n_Translation-en"):
            assert f"{component}_{index}" in lists, (component, index, sorted(lists))
    assert "Version: 1.0" in site.apt("apt-cache", "show", "non-free-firmware-tool:arm64")
    site.apt("apt-get", "-q", "-y", "install", "universe-tool", "restricted-data")
    site.apt("apt-get", "-q", "download", "multiverse-tool:arm64")
    (APT / "sources.list").write_text((APT / "sources.list").read_text().replace("deb ", "deb-src "))
    site.apt("apt-get", "-q", "update")
    site.apt("apt-get", "-q", "source", "--download-only", "contrib-tool")
    site.reads(f"{mirrored} {UDEBS}")
    site.apt("apt-get", "-q", "download", "probe-udeb")
    brought = {path.name for path in (ROOTS["apt1"] / "root").iterdir()}
    assert {"multiverse-tool_1.0_arm64.deb", "contrib-tool_1.0.dsc", "contrib-tool_1.0.tar.gz", "probe-udeb_1.0_amd64.udeb"} <= brought, brought


def carried(site: Site) -> None:
    """Signatures are found to cover all of it, images included, at home and where a bundle carries it; a damaged image is found."""
    source, isolated = site.source(**EVERYTHING), {**site.source(**EVERYTHING), "urls": ["http://127.0.0.1:9/"]}
    site.mirror("home", source)
    assert site.mirror("home", source, command=["verify"])["findings"] == []
    bundle = str(site.work / "bundle")
    site.mirror("home", source, command=["bundle", "export", "set", "--to", bundle, "--key-home", site.key_home, "--key", site.signer])
    site.mirror("away", isolated, command=["bundle", "import", bundle, "--keyring", site.keyring])
    assert held("away") == held("home") >= images(ARCHITECTURES)
    assert site.mirror("away", isolated, command=["verify"])["findings"] == []
    image = Path(os.path.realpath(SERVED / "home/set/debian/dists/stable/main/installer-amd64/current/images/netboot/mini.iso"))
    image.chmod(0o644)
    image.write_bytes(image.read_bytes()[::-1])
    found = site.mirror("home", source, command=["verify", "--repair"])["findings"]
    assert [finding["path"].rpartition("/")[2] for finding in found if finding["repaired"]] == ["mini.iso"] and len(found) == 1, found


def debug_and_flat(site: Site) -> None:
    """A debug archive is a source of its own beside the one it belongs to; a flat archive has neither suites nor components."""
    site.mirror("beside", site.source(components=["main"], architectures=["amd64"]), site.source("debug", suites=["stable-debug"], architectures=["amd64"]),
                site.source("flat", suites=["/"]))
    mirrored = f"{THERE}/beside/set"
    site.reads(f"{mirrored}/debian stable main", f"{mirrored}/debug stable-debug main", f"{mirrored}/flat /")
    site.apt("apt-get", "-q", "-y", "install", "main-tool", "main-tool-dbgsym", "flat-tool")
    assert held("beside", "flat") == {"InRelease", "Release", "Release.gpg", "Packages.gz", "Packages.xz", "flat-tool_1.0_all.deb"}, held("beside", "flat")
    assert {path for path in held("beside", "debug") if path.endswith(".deb")} == {"pool/main/m/main-tool-dbgsym/main-tool-dbgsym_1.0_amd64.deb"}


def pdiffs(site: Site) -> None:
    """apt takes a pdiff from the upstream; from a mirror, which has none, the whole index, after two answers 404."""
    source = site.source(components=["main"], architectures=["amd64"])
    asked: t.Dict[str, t.List[str]] = {}
    site.mirror("pdiff", source)
    places = {"upstream": "upstream/debian", "pdiff": "pdiff/set/debian"}
    kept = {}
    for name, place in places.items():
        site.reads(f"{THERE}/{place} stable main")
        kept[name] = site.work / f"lists-{name}"
        shutil.copytree(ROOTS["apt1"] / "var/lib/apt/lists", kept[name])
    site.archive.publish("1.1")
    assert (SERVED / "upstream/debian/dists/stable" / DIFF / "Index").exists()
    site.mirror("pdiff", source)
    for name, place in places.items():
        site.reads(f"{THERE}/{place} stable main")
        shutil.rmtree(ROOTS["apt1"] / "var/lib/apt/lists")
        shutil.copytree(kept[name], ROOTS["apt1"] / "var/lib/apt/lists")
        before = LOG.stat().st_size
        site.apt("apt-get", "-q", "update")
        asked[name] = [f"{line.split()[8]} {line.split()[6].partition('/dists/stable/')[2]}" for line in LOG.read_text()[before:].splitlines()]
        assert "Version: 1.1" in site.apt("apt-cache", "show", "main-tool")
    assert [line[:3] for line in asked["upstream"]] == ["200", "200", "200"] and ".gz" in asked["upstream"][2], asked
    assert [line[:3] for line in asked["pdiff"]] == ["200", "404", "404", "200"] and asked["pdiff"][2].endswith(f"{DIFF}/Index"), asked


def main() -> int:
    failed = 0
    checks = [selection, rsync, everything_apt_reads, carried, debug_and_flat, pdiffs]
    with tempfile.TemporaryDirectory(prefix="egi-deb-") as top, keys.throw_away() as key:
        site = Site(Path(top), key)
        for check in checks:
            started = time.monotonic()
            try:
                check(site)
            except Exception:
                failed += 1
                print(f"FAILED: {check.__name__}\n{traceback.format_exc()}", flush=True)
            else:
                print(f"ok: {check.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
