#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways rpm upstreams come: behind metalinks and mirror lists, with zchunk, as source and debug repositories.

Runs inside a lab session with dnf1 and repo, whose nginx serves the upstream's mirrors and ours.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("dnf1", "repo")}
URL = "http://repo.demo.example"
SERVED = ROOTS["repo"] / "srv/repository"
MIRROR = SERVED / "mirror"
UPSTREAM = SERVED / "cmd-os-1/el9/updates/x86_64"
KEYS = "/etc/cmd-mirror/keys.gpg"
REPOMD = "repodata/repomd.xml"
SPEC = """Name: example
Version: 1.0
Release: 1
Summary: Example
License: MIT
BuildArch: noarch
%description
Example.
%package debuginfo
Summary: Debug information of example
%description debuginfo
Example.
%install
mkdir -p %{buildroot}/usr/lib/debug
echo one > %{buildroot}/usr/lib/debug/example
%files
%files debuginfo
/usr/lib/debug/example
"""
Answer = t.Dict[str, t.Any]


def run(host: str, *command: str, good: t.Sequence[int] = (0,)) -> str:
    """Run a program on a host; return what it wrote."""
    done = subprocess.run(["chroot", str(ROOTS[host]), "env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode in good, f"{' '.join(command)} on {host}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def publish(stage: str) -> None:
    """Publish the standard site."""
    done = subprocess.run(["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--no-hosts"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


def prepare() -> None:
    """Install cmd-mirror on the mirror host, and make the mirrors of the upstream: one current, one behind, one that lies."""
    for path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
        sys.path.append(path)
    program = importlib.import_module("ansible_collections.egi.cmd.plugins.module_utils._mirror.program")
    target = ROOTS["repo"] / "usr/local/bin/cmd-mirror"
    target.write_bytes(program.build(str(TOP / "plugins/module_utils")))
    target.chmod(0o755)
    (ROOTS["repo"] / "etc/cmd-mirror").mkdir(exist_ok=True)
    run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--yes", "--output", KEYS, "--export")
    (ROOTS["dnf1"] / "etc/pki/rpm-gpg/mirror").write_text(run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--armor", "--export"))
    for name, stage in (("behind", "proposed"), ("current", "broken"), ("lying", "broken")):
        publish(stage)
        shutil.copytree(UPSTREAM, SERVED / "mirrors" / name)
    repomd = SERVED / "mirrors/lying" / REPOMD
    repomd.write_bytes(repomd.read_bytes().replace(b"<revision>", b"<revision>9"))


def sync(source: Answer, good: int = 0) -> Answer:
    """Mirror one source; return what cmd-mirror says about the set."""
    told = {"root": "/srv/repository/mirror", "margin": 0, "retries": 1, "timeout": 10,
            "sets": {"set": {"sources": [{"name": "rpm", "format": "rpm", **source}]}}}
    (ROOTS["repo"] / "etc/cmd-mirror/config.json").write_text(json.dumps(told))
    answer: Answer = json.loads(run("repo", "cmd-mirror", "--json", "sync", good=(good,)))["sets"]["set"]
    return answer


def dnf(*command: str, signed: bool = True) -> str:
    """Run dnf on dnf1 with nothing but the mirror."""
    check = f"gpgcheck={signed:d}\nrepo_gpgcheck={signed:d}\ngpgkey=file:///etc/pki/rpm-gpg/mirror\n"
    (ROOTS["dnf1"] / "etc/yum.repos.d/mirror.repo").write_text(f"[rpm]\nname=rpm\nbaseurl={URL}/mirror/set/rpm\n{check}")
    return run("dnf1", "dnf", "-q", "-y", "--refresh", "--releasever=9", *command)


def listed(*names: str) -> str:
    """A mirror list of mirrors by name; returns its URL."""
    (SERVED / "list").write_text("# mirrors\nrsync://repo.demo.example/no\n" + "".join(f"{URL}/mirrors/{name}/\n" for name in names))
    return f"{URL}/list"


def metalink(states: t.Sequence[str], *mirrors: str) -> str:
    """A metalink of mirrors; states: mirrors that have the newest repomd.xml and earlier ones. Returns its URL."""
    def state(name: str) -> str:
        content = (SERVED / "mirrors" / name / REPOMD).read_bytes()
        return f'<size>{len(content)}</size><verification><hash type="sha256">{hashlib.sha256(content).hexdigest()}</hash></verification>'

    earlier = "".join(f"<mm0:alternate>{state(name)}</mm0:alternate>" for name in states[1:])
    places = [f"{URL}:9/dead", *(f"{URL}/mirrors/{name}" for name in mirrors)]
    urls = "".join(f'<url protocol="http" preference="{100 - number}">{place}/{REPOMD}</url>' for number, place in enumerate(places))
    (SERVED / "metalink").write_text(
        '<?xml version="1.0" encoding="utf-8"?><metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://mm.example.org/"><files>'
        f'<file name="repomd.xml">{state(states[0])}<mm0:alternates>{earlier}</mm0:alternates><resources>{urls}</resources></file></files></metalink>')
    return f"{URL}/metalink?repo=updates&arch=x86_64"


def mirrors_of_a_metalink() -> None:
    """A dead, a lying and a lagging mirror are passed over; one that lags is good enough where there is no better one."""
    keys = {"keyring": KEYS}
    assert "is not what the metalink names" in sync({"metalink": metalink(["current"], "lying", "behind"), **keys}, good=1)["error"]
    assert not MIRROR.joinpath("set").exists()
    done = sync({"metalink": metalink(["current", "behind"], "lying", "behind"), **keys})
    assert done["changed"] and not done["warnings"], done
    assert set(dnf("repoquery", "--qf", "%{version}", "cloud-api").split()) == {"2.2"}
    metalink(["current", "behind"], "lying", "behind", "current")
    done = sync({"metalink": f"{URL}/metalink?repo=updates&arch=x86_64", **keys})
    assert done["changed"] and (MIRROR / "set/rpm" / REPOMD).read_bytes() == (SERVED / "mirrors/current" / REPOMD).read_bytes(), done
    assert set(dnf("repoquery", "--qf", "%{version}", "cloud-api").split()) == {"2.2", "2.3"}
    assert not sync({"metalink": f"{URL}/metalink?repo=updates&arch=x86_64", **keys})["changed"]


def mirrors_of_a_list() -> None:
    """A plain list fails over; where it is gone, URLs of one's own go on with a warning, and nothing else does."""
    before = os.readlink(MIRROR / "set")
    source = {"mirrorlist": listed("nowhere", "current"), "keyring": KEYS}
    assert not sync(source)["changed"]
    os.unlink(SERVED / "list")
    assert f"{URL}/list is not there" in sync(source, good=1)["error"]
    warning, = sync({**source, "urls": [f"{URL}/mirrors/current"]})["warnings"]
    assert "is not there" in warning and warning.endswith("Went on with urls alone."), warning
    assert "older" in sync({"mirrorlist": listed("behind"), "keyring": KEYS}, good=1)["error"]
    assert os.readlink(MIRROR / "set") == before


def chunked() -> None:
    """Metadata in zchunk is passed on beside the others, dnf reads it; where it is all there is, the missing program is named."""
    place = SERVED / "zchunk"
    shutil.copytree(SERVED / "mirrors/current/Packages", place / "Packages")
    run("repo", "createrepo_c", "-q", "--zck", "/srv/repository/zchunk")
    source = {"urls": [f"{URL}/zchunk"], "signed_metadata": False, "freshness": "warn"}
    sync(source)
    files = {path.name for path in (place / "repodata").iterdir()}
    assert {path.name for path in (MIRROR / "set/rpm/repodata").iterdir()} == files and any(name.endswith(".zck") for name in files), files
    assert set(dnf("--setopt=zchunk=True", "repoquery", "--qf", "%{version}", "cloud-api", signed=False).split()) == {"2.2", "2.3"}
    repomd = place / REPOMD
    text = repomd.read_text()
    for kind in ("primary", "filelists", "other"):
        start = text.index(f'<data type="{kind}">')
        text = text[:start] + text[text.index("</data>", start) + len("</data>"):]
    repomd.write_text(text)
    assert shutil.which("unzck", path=str(ROOTS["repo"] / "usr/bin")) is None
    assert "Install zchunk" in sync(source, good=1)["error"]


def source_and_debug_packages() -> None:
    """Source and debug repositories are repositories like any other."""
    (ROOTS["repo"] / "root/example.spec").write_text(SPEC)
    run("repo", "rpmbuild", "-ba", "--define", "_topdir /root/build", "/root/example.spec")
    for kind, pattern in (("source", "SRPMS/*.src.rpm"), ("debug", "RPMS/noarch/example-debuginfo-*.rpm")):
        place = SERVED / kind / "Packages"
        place.mkdir(parents=True)
        package, = (ROOTS["repo"] / "root/build").glob(pattern)
        shutil.copy(package, place)
        run("repo", "createrepo_c", "-q", f"/srv/repository/{kind}")
        assert sync({"urls": [f"{URL}/{kind}"], "signed_metadata": False, "freshness": "warn"})["changed"]
        found = dnf("repoquery", "--location", "--qf", "%{arch}", "example*", signed=False).split()
        assert found == [f"{URL}/mirror/set/rpm/Packages/{package.name}"], found
        assert (MIRROR / "set/rpm/Packages" / package.name).read_bytes() == package.read_bytes()
    dnf("install", "example-debuginfo", signed=False)


CASES = (mirrors_of_a_metalink, mirrors_of_a_list, chunked, source_and_debug_packages)


def main() -> int:
    prepare()
    failed = 0
    for case in CASES:
        try:
            case()
            print(f"ok: {str(case.__doc__).splitlines()[0]}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
