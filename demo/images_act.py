# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third act, bin/demo --images: a cloud image of a release, built, booted twice, published, promoted and signed off.

It is played on this machine itself, not on throw-away hosts: the image's base is the distribution that this machine's own apt uses.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.egi.cmd.plugins.module_utils._host import openpgp
from ansible_collections.egi.cmd.plugins.module_utils._rollout import table
from demo.programs import STATE, play, short
from demo.screen import ClaimFailed, chapter, claim, command, quote, say, step
from lab.packages import File, Package, build_here
from lab.roots import LabError

PLACE = STATE / "images"
SERVED, STREAM = PLACE / "served", PLACE / "served/images/site-1"
KEYRINGS = {"debian": "debian-archive-keyring.gpg", "ubuntu": "ubuntu-archive-keyring.gpg"}
COLUMNS = ("image", "firmware", "told by", "processor", "verdict", "seconds")
PACKAGES = [
    Package("deb", "cloud-client", "3.1", "1", (("/usr/share/cloud-client/version", File("3.1\n")),)),
    Package("deb", "cloud-guide", "1.0", "1", (("/usr/share/doc/cloud-guide/guide", File("Read me.\n")),)),
]


@dataclass(frozen=True)
class Published:
    """A directory of a drop that readers see."""

    name: str

    def __post_init__(self) -> None:
        if not (STREAM / self.name).is_dir():
            raise ClaimFailed(f"there is no drop {self.name}")

    @property
    def record(self) -> dict[str, t.Any]:
        """What drop.json says."""
        told: dict[str, t.Any] = json.loads((STREAM / self.name / "drop.json").read_text())
        return told

    def verified(self) -> bool:
        """Whether the files are those that the site's key has signed, as a downloader checks it."""
        place = STREAM / self.name
        keyring = PLACE / "site.gpg"
        _output("gpg", "--batch", "--yes", "--dearmor", "--output", str(keyring), str(PLACE / "site.asc"))
        _output("gpgv", "--quiet", "--keyring", str(keyring), str(place / "SHA256SUMS.asc"), str(place / "SHA256SUMS"))
        return "FAILED" not in _output("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=place)

    def digests(self) -> dict[str, str]:
        """File -> SHA-256, of the images."""
        images = [path for path in sorted((STREAM / self.name).glob("site-cloud-*")) if path.suffix in (".qcow2", ".xz", ".ova")]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in images}


def _output(*arguments: str, **more: t.Any) -> str:
    """What a program says; the demonstration ends where it fails."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode:
        raise ClaimFailed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def base() -> tuple[str, str, dict[str, t.Any]]:
    """Name of this machine's distribution, its codename, and its repositories as the image is told them."""
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    system, codename = told["ID"].strip('"'), told["VERSION_CODENAME"].strip('"')
    lines = _output("apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages").splitlines()
    urls = {suite: url for url, suite, component in map(str.split, lines) if component == "main"}
    suites = [codename, f"{codename}-updates", f"{codename}-security"]
    keyring = Path("/usr/share/keyrings") / KEYRINGS.get(system, "none")
    if not keyring.exists() or not all(suite in urls for suite in suites):
        raise LabError(f"this machine's apt has no main of {', '.join(suites)} with a keyring in {keyring}: an image needs all three")
    keys = [{"fingerprint": fingerprint, "file": str(keyring)} for fingerprint, _packets in openpgp.certificates(keyring.read_bytes())]
    entries = [{"name": f"{system}-{suite}", "uris": [urls[suite]], "suite": suite, "components": ["main"], "origin": system.capitalize(), "keys": keys}
               for suite in suites]
    return system.capitalize(), codename, {"name": system, "repositories": entries}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves without a line for each request."""

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


def _serve() -> http.server.ThreadingHTTPServer:
    """Serve the release on loopback until shutdown()."""
    SERVED.mkdir(parents=True, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(SERVED)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _play(tags: str, site: t.Mapping[str, t.Any]) -> float:
    """Run a part of demo/images.yml; seconds it took."""
    began = time.monotonic()
    play("demo/images.yml", f"images-{tags}", "--tags", tags, "-e", json.dumps({"site": site}))
    return time.monotonic() - began


def tell(site: dict[str, t.Any]) -> None:
    """Tell the act."""
    chapter(11, "Act three: a release with two packages, signed, on loopback")
    with step("build cloud-client 3.1 and cloud-guide 1.0"):
        build_here(PACKAGES, PLACE / "incoming")
    chapter(12, "One definition becomes images, which are booted before anybody sees them")
    command("ansible-playbook demo/images.yml --tags build")
    with step("publish the release; build qcow2, raw.tar.xz and OVA; boot with BIOS and with UEFI; publish a drop (some minutes)"):
        _play("build", site)
    drop = Published((STREAM / "latest-scratch").resolve().name)
    _shown(drop)
    claim("has cloud-client 3.1 of the release in it, and a bill of materials that says so", [drop], _has_client)
    claim("is what the site's key signed", [drop], Published.verified)
    chapter(13, "What was tested is promoted, not built again")
    command("ansible-playbook demo/images.yml --tags milestone,final")
    with step(f"give {drop.name} the label rc-1, then sign it off as final"):
        _play("milestone", {**site, "drop": drop.name})
        _play("final", site)
    claim("has the same bytes as the drop that was booted", [Published("rc-1"), Published("final")], lambda one: one.digests() == drop.digests())
    claim("is what 'latest' points at", [Published("final")], lambda one: (STREAM / "latest").resolve().name == one.name)
    chapter(14, "Run it again: nothing changes")
    before = drop.digests()
    with step("the same command"):
        seconds = _play("build", site)
    claim("is still the newest, with the same bytes", [drop],
          lambda one: (STREAM / "latest-scratch").resolve().name == one.name and one.digests() == before)
    say(f"It took {seconds:.1f} s, most of it Ansible's own start.", "", f"Look around: {short(STREAM)}/final/README.md")


def _shown(drop: Published) -> None:
    """Show the verdicts."""
    rows = []
    for path in sorted((PLACE / "reports").glob("*.json")):
        one = json.loads(path.read_text())
        if "verdict" in one:
            rows.append({"image": one["image"]["name"], "firmware": one["firmware"], "told by": one["transport"], "processor": one["accelerator"],
                         "verdict": one["verdict"], "seconds": str(round(one["seconds"]))})
    say(*table.lines(rows, COLUMNS))
    quote("\n".join(f"{name}  {digest[:16]}..." for name, digest in drop.digests().items()))
    if len(rows) != 2 or any(row["verdict"] != "pass" for row in rows):
        raise ClaimFailed("both boots pass")


def _has_client(drop: Published) -> bool:
    (image,) = drop.record["images"]
    installed = {one["name"]: one for one in image["packages"]}
    return bool(installed["cloud-client"]["version"] == "3.1-1" and installed["cloud-client"]["origin"] == "site-1-base")


def main() -> int:
    """Tell the act; 0 when every claim holds, 130 when the reader interrupts it."""
    server = _serve()
    try:
        system, codename, repositories = base()
        tell({"directory": str(PLACE), "os": system, "codename": codename, "base": repositories, "port": server.server_port})
        minutes, seconds = divmod(int(time.time()) - int(os.environ.get("DEMO_STARTED") or time.time()), 60)
        say(f"Everything above was checked; it took {f'{minutes} min ' if minutes else ''}{seconds} s.")
    except (ClaimFailed, LabError) as error:
        print(f"\ndemo: {error}\ndemo: the logs are in {short(STATE / 'log')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(flush=True)
        return 130
    finally:
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
