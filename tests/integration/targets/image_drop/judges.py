# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others' programs say of a stream: checksums, signatures, indexes, pages, and a web server with the role's configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import types
import typing as t
from pathlib import Path

import jinja2
import yaml

from tests.run.machine import prepare

# Each reads what it is the reference reader of; they are for this test, not for the project.
_REQUIREMENTS = ("productmd>=1.40,<2", "html5lib>=1.1,<2", "spdx-tools>=0.8,<0.9")
_PRODUCTMD = """
import json, sys, productmd.compose
for path in sys.argv[1:]:
    compose = productmd.compose.Compose(path)
    info = compose.info.compose
    images = [image for variant in compose.images.images.values() for of in variant.values() for image in of]
    print(json.dumps([info.label, info.final, sorted((image.path, image.size, image.checksums["sha256"]) for image in images)]))
"""
_SPDX = """
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for path in sys.argv[1:]:
    document = parse_file(path)
    print(path, len(document.packages), [message.validation_message for message in validate_full_spdx_document(document)])
"""
_HTML = """
import sys, html5lib
for path in sys.argv[1:]:
    html5lib.HTMLParser(strict=True).parse(open(path, encoding="utf-8").read())
"""


class Skip(Exception):
    """Why a judge cannot be had on this machine."""


def cases(target: types.ModuleType) -> t.List[t.Callable[[], None]]:
    """The cases, about the stream that the target made."""
    stream, state, run = target.STREAM, target.STATE, target.run
    labels = [Path(os.path.join(stream, name)) for name in ("rc-1", "final")]

    def python() -> Path:
        try:
            return Path(prepare("need_venv", "image_judges", *_REQUIREMENTS)) / "bin/python"
        except SystemExit as error:
            raise Skip(f"no package index: {error}") from error

    def truth(label: Path) -> t.List[t.Tuple[str, int, str]]:
        told = json.loads((label / "drop.json").read_text())
        return sorted((file["name"], file["size"], file["sha256"]) for image in told["images"] for file in image["files"])

    def keyring() -> Path:
        path = Path(state) / "public.gpg"
        path.unlink(missing_ok=True)
        run(["gpg", "--homedir", target.KEYS, "--batch", "--quiet", "--dearmor", "--output", path, stream / "KEY.asc"])
        return path

    def coreutils_and_gpgv_verify_every_drop() -> None:
        for label in (path.parent for path in stream.resolve().glob("*/CHECKSUM")):
            for tool, name in (("sha256sum", "SHA256SUMS"), ("sha512sum", "SHA512SUMS"), ("sha256sum", "CHECKSUM")):
                done = subprocess.run([tool, "--check", name], cwd=label, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
                assert done.returncode == 0 and done.stdout.count(": OK\n") == 16, (label, name, done.stdout, done.stderr)
            for signed in (["SHA256SUMS.asc", "SHA256SUMS"], ["SHA512SUMS.asc", "SHA512SUMS"], ["CHECKSUM"], ["drop.sjson"]):
                run(["gpgv", "--keyring", keyring(), *(label / name for name in signed)])
        for path in (stream / "index.asc", *stream.glob("streams/v1/*.sjson")):
            run(["gpgv", "--keyring", keyring(), path])

    def openssl_verifies_the_image_list_and_refuses_a_changed_one() -> None:
        path, certificate = stream / "image.list", target.KEYS / "endorser.pem"
        told = json.loads(run(["openssl", "smime", "-verify", "-in", path, "-CAfile", certificate, "-purpose", "any"]))["hv:imagelist"]
        assert told["hv:endorser"]["hv:x509"]["hv:dn"] == "/DC=org/DC=example/CN=Image Endorser/emailAddress=images@example.org"
        images = {image["hv:image"]["hv:uri"]: image["hv:image"] for image in told["hv:images"]}
        final = json.loads((stream / "final/drop.json").read_text())
        expected = {f"{target.URL}/cmd-os-1/final/{file['name']}": file for image in final["images"] for file in image["files"] if file["format"] == "ova"}
        assert {uri: (image["hv:size"], image["sl:checksum:sha512"]) for uri, image in images.items()} == {
            uri: (file["size"], file["sha512"]) for uri, file in expected.items()}
        changed = Path(state) / "changed.list"
        changed.write_bytes(path.read_bytes().replace(b"final", b"finaI", 1))
        run(["openssl", "smime", "-verify", "-in", changed, "-CAfile", certificate, "-purpose", "any"], good=(4,))

    def libguestfs_takes_the_index() -> None:
        tool = Path(state) / "guestfs/usr/bin/virt-index-validate"  # alone: it needs nothing of the 80 packages its own one asks for
        if not tool.exists():
            fetch = ["apt-get", "-q", "download", "guestfs-tools"]
            if subprocess.run(fetch, cwd=state, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
                subprocess.run(["apt-get", "-q", "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                if subprocess.run(fetch, cwd=state, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
                    raise Skip("apt cannot fetch guestfs-tools")
            (package,) = Path(state).glob("guestfs-tools_*.deb")
            run(["dpkg-deb", "-x", package, Path(state) / "guestfs"])
        run([tool, stream / "index"])
        run([tool, stream / "index.asc"])
        broken = Path(state) / "broken-index"
        broken.write_text((stream / "index").read_text().replace("arch=", "arch", 1))
        run([tool, broken], good=(1,))

    def productmd_loads_every_drop() -> None:
        rows = [json.loads(line) for line in run([python(), "-c", _PRODUCTMD, *labels]).splitlines()]
        assert [row[:2] for row in rows] == [["RC-1.0", False], ["RC-1.0", True]]
        for label, row in zip(labels, rows):
            assert [tuple(one) for one in row[2]] == [one for one in truth(label) if not one[0].endswith(".raw.tar.xz")]

    def spdx_tools_find_nothing_to_say() -> None:
        rows = run([python(), "-c", _SPDX, *(stream / "final").glob("*.spdx.json")]).splitlines()
        assert len(rows) == 4 and all(re.search(r" 8 \[\]$", row) for row in rows), rows

    def html5lib_parses_every_page_strictly() -> None:
        run([python(), "-c", _HTML, *stream.glob("**/index.html"), *(label / "index.html" for label in labels)])

    def nginx_serves_it_as_the_role_sets_it_up() -> None:
        with Served(target):
            def head(path: str) -> str:
                return run(["curl", "--silent", "--show-error", "--head", f"{target.URL}/{path}"])
            for path, kind in (("", "text/html"), ("final/", "text/html"), ("final/README.md", "text/plain"), ("final/CHECKSUM", "text/plain"),
                               ("final/drop.json", "application/json"), ("KEY.asc", "text/plain"), ("latest/SHA256SUMS", "text/plain"),
                               ("final/cmd-cloud-ec2-i686.qcow2", "application/octet-stream")):
                told = head(f"cmd-os-1/{path}")
                assert " 200 " in told and f"Content-Type: {kind}" in told, told
            for path in ("final/cmd-cloud-ec2-i686.qcow2", "final/cmd-cloud-ec2-i686.raw.tar.xz", "rc-1/cmd-cloud-ec2-i686.ova"):
                assert "immutable" in head(f"cmd-os-1/{path}"), path
            for path in ("", "latest/cmd-cloud-ec2-i686.qcow2", "latest/cmd-cloud-ec2-i686.raw.tar.xz", "streams/v1/index.json", "final/drop.json", "index"):
                assert "Cache-Control: no-cache" in head(f"cmd-os-1/{path}"), path
            for path in (".streams/", f"{os.readlink(stream)}/final/cmd-cloud-ec2-i686.raw.tar.xz", "cmd-os-1/.ledger.json"):
                assert " 404 " in head(path), path

    def a_person_can_follow_the_readme() -> None:
        text = (stream / "final/README.md").read_text()
        commands = re.findall(r"^```console\n(.*?)^```", text.split("## Download and verify")[1], re.MULTILINE | re.DOTALL)[0]
        home = Path(state) / "person"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        with Served(target):
            done = subprocess.run(["sh", "-euc", commands], cwd=home, env={**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C"}, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        assert done.returncode == 0 and ": OK" in done.stdout and 'Good signature from "CMD-OS <release@example.org>"' in done.stdout, done.stdout
        assert target.fingerprint() in text

    return [coreutils_and_gpgv_verify_every_drop, openssl_verifies_the_image_list_and_refuses_a_changed_one, libguestfs_takes_the_index,
            productmd_loads_every_drop, spdx_tools_find_nothing_to_say, html5lib_parses_every_page_strictly, nginx_serves_it_as_the_role_sets_it_up,
            a_person_can_follow_the_readme]


class Served:
    """nginx, with the site that the role mirror writes, for as long as the block lasts."""

    def __init__(self, target: types.ModuleType) -> None:
        self._target = target

    def __enter__(self) -> None:
        target = self._target
        role = target.TOP / "roles/mirror"
        known = {**yaml.safe_load((role / "defaults/main.yml").read_text()), "ansible_managed": "Ansible managed", "mirror_root": str(target.SERVED.parent),
                 "mirror_web_listen": [f"127.0.0.1:{target.PORT}"], "mirror_web_name": "localhost"}
        jinja = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
        site = jinja.from_string((role / "templates/nginx.conf.j2").read_text()).render(known)
        place = target.STATE / "nginx"
        place.mkdir(exist_ok=True)
        temporary = "".join(f"{name}_temp_path {place}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.geteuid() == 0 else ""
        (place / "nginx.conf").write_text(f"{user}pid {place}/pid; error_log {place}/error.log; daemon off; worker_processes 1; events {{}}\n"
                                          f"http {{ access_log off; {temporary}\n{site}\n}}\n")
        self._server = subprocess.Popen(["/usr/sbin/nginx", "-p", str(place), "-c", str(place / "nginx.conf")], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while subprocess.run(["curl", "--silent", f"{target.URL}/"], stdout=subprocess.DEVNULL, check=False).returncode:
            assert time.monotonic() < deadline and self._server.poll() is None, (place / "error.log").read_text()
            time.sleep(0.1)

    def __exit__(self, *_what: object) -> None:
        self._server.terminate()
        self._server.wait(20)
