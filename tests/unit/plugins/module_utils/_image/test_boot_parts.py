# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tester's own parts: the program that serves a guest, what stays of a boot, and the command line of QEMU."""

from __future__ import annotations

import json
import pathlib
import struct
import subprocess
import sys
import typing as t
import zlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import boot_record, boot_request, boot_serve, qemu, seed, seed_files
from ansible_collections.egi.cmd.plugins.module_utils._image.seed_place import put_directory

GIVEN = {"format": None, "architecture": "x86_64", "firmware": "bios", "transport": "nocloud", "memory": 1024, "cpu": "max", "timeout": 300, "mirror": [],
         "user_data": None, "expect": None}


def asked(settings: t.Mapping[str, t.Any], directory: pathlib.Path, *requests: str) -> t.List[t.Tuple[int, str]]:
    """Status and body of each answer on one connection."""
    told = directory / "settings.json"
    told.write_text(json.dumps(settings))
    source = "".join(f"{request}\r\n\r\n" for request in requests).encode()
    done = subprocess.run([sys.executable, "-I", "-S", boot_serve.__file__, str(told)], input=source, stdout=subprocess.PIPE, check=True, timeout=30)
    answers, rest = [], done.stdout
    while rest:
        head, _end, rest = rest.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answers.append((int(head.split()[1]), rest[:size].decode()))
        rest = rest[size:]
    return answers


def test_the_metadata_service_wants_a_token(tmp_path: pathlib.Path) -> None:
    tree = tmp_path / "tree"
    put_directory(str(tree), seed_files.files(seed.of({"hostname": "wn1", "instance_id": "i-1", "ssh_keys": ["ssh-ed25519 AAAA a"]}), "ec2"))
    token = f"X-aws-ec2-metadata-token: {boot_serve._TOKEN}"
    answers = asked({"metadata": str(tree)}, tmp_path, "GET /latest/meta-data/instance-id HTTP/1.1",
                    "PUT /latest/api/token HTTP/1.1\r\nX-aws-ec2-metadata-token-ttl-seconds: 60", "PUT /latest/api/token HTTP/1.1",
                    f"GET /2021-03-23/meta-data/instance-id HTTP/1.1\r\n{token}", f"GET /latest/meta-data/ HTTP/1.1\r\n{token}",
                    f"GET /latest/meta-data/public-keys/ HTTP/1.1\r\n{token}", f"GET /latest/user-data HTTP/1.1\r\n{token}",
                    f"GET /latest/../../settings.json HTTP/1.1\r\n{token}", f"POST /latest/meta-data/ HTTP/1.1\r\n{token}\r\nContent-Length: 0")
    assert [status for status, _body in answers] == [401, 200, 400, 200, 200, 200, 404, 404, 405]
    assert answers[3][1] == "i-1" and "placement/" in answers[4][1].split("\n") and answers[5][1] == "0=key0"


def test_a_mirror_answers_for_its_hosts_and_no_further(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "mirror"
    (root / "apt").mkdir(parents=True)
    (root / "apt/a+b 1").write_text("x")
    (root / "out").symlink_to("/etc/hostname")
    answers = asked({"hosts": {"repo.example.org": str(root)}}, tmp_path, *(f"{request} HTTP/1.1\r\nHost: {host}" for request, host in (
        ("GET /apt/a%2bb%201", "repo.example.org:80"), ("HEAD /apt/a%2bb%201?x", "REPO.example.org"), ("GET /apt/", "repo.example.org"),
        ("GET /out", "repo.example.org"), ("GET /%2e%2e/settings.json", "repo.example.org"), ("GET /apt/a%2bb%201", "elsewhere.example.org"))
        if not request.startswith("HEAD")))
    assert answers == [(200, "x"), (404, ""), (404, ""), (404, ""), (404, "")]


def test_a_screen_is_the_same_as_png() -> None:
    pixels = bytes(range(2 * 3 * 3))
    image = boot_record.png(b"P6\n2 3\n255\n" + pixels)
    assert struct.unpack(">II", image[16:24]) == (2, 3)
    start = image.index(b"IDAT")
    lines = zlib.decompress(image[start + 4:start + 4 + struct.unpack(">I", image[start - 4:start])[0]])
    assert b"".join(lines[begin + 1:begin + 7] for begin in range(0, 21, 7)) == pixels
    assert boot_record.png(b"") == b""


def boot(directory: pathlib.Path, **more: t.Any) -> boot_request.Boot:
    image = directory / "image.qcow2"
    if not image.exists():
        image.write_bytes(b"x")
    return boot_request.of({**GIVEN, "image": str(image), **more}, {})


def test_a_verdict_stands_for_the_same_boot_alone(tmp_path: pathlib.Path) -> None:
    one = boot(tmp_path)
    reports = tmp_path / "reports"
    with boot_record.Shelf(str(reports)) as shelf:
        kept = shelf.keep(one, {"verdict": "pass", "reason": "booted", "image": {"sha256": one.sha256}}, "console", b"")
    assert boot_record.kept(str(reports), one) == kept and kept["screenshot"] is None
    others = [boot(tmp_path, **more) for more in ({"firmware": "uefi"}, {"memory": 2048}, {"user_data": "x"}, {"expect": {"grows": False}})]
    assert [boot_record.kept(str(reports), other) for other in others] == [None] * 4
    assert boot_record.kept(str(reports), boot(tmp_path, timeout=900)) == kept


@pytest.mark.parametrize("verdict, reason", [("inconclusive", "tester-error"), ("fail", "timeout")])
def test_what_could_end_otherwise_does_not_stand(verdict: str, reason: str, tmp_path: pathlib.Path) -> None:
    with boot_record.Shelf(str(tmp_path)) as shelf:
        shelf.keep(boot(tmp_path), {"verdict": verdict, "reason": reason, "image": {"sha256": boot(tmp_path).sha256}}, "", b"")
    assert boot_record.kept(str(tmp_path), boot(tmp_path)) is None


def test_one_run_at_a_time_and_none_leaves_anything(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".boot-killed").mkdir()
    with boot_record.Shelf(str(tmp_path)) as shelf, shelf.workplace() as work:
        assert pathlib.Path(work).parent == tmp_path and not (tmp_path / ".boot-killed").exists()
        with pytest.raises(Failure, match="another run works"), boot_record.Shelf(str(tmp_path)):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_was_found_of_an_accelerator_is_for_that_host(tmp_path: pathlib.Path) -> None:
    with boot_record.Shelf(str(tmp_path)) as shelf:
        shelf.remember("6.1; QEMU 7.2", "kvm", "unusable")
        assert shelf.accelerators("6.1; QEMU 7.2") == {"kvm": "unusable"} and shelf.accelerators("6.2; QEMU 7.2") == {}


@pytest.mark.parametrize("more, why", [
    ({"image": "/nowhere.qcow2"}, "there is no such file"), ({"memory": 1}, "memory or timeout is too small"),
    ({"architecture": "i686", "firmware": "uefi"}, "no UEFI for i686"),
    ({"mirror": [{"host": "a;b", "path": "/"}]}, "no host with a directory"), ({"expect": {"priorities": {"a": 1}}}, "the guest has no network"),
    ({"transport": "none", "user_data": "x"}, "nothing can be asked"),
    ({"mirror": [{"host": "a", "path": "/"}], "expect": {"install": ["a b"]}}, "no package's name"),
])
def test_what_cannot_be_booted_is_refused(more: t.Dict[str, t.Any], why: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match=why):
        boot(tmp_path, **more)


def test_a_machine_has_no_way_out_and_commas_stay_in_names(tmp_path: pathlib.Path) -> None:
    for transport in boot_request.DATASOURCES:
        plan = qemu.Plan("x86_64", "bios", transport, 1024, "max", "/a,b/disk", "/a,b/seed" if transport != "none" else "", "", "serve 'a,b'", str(tmp_path))
        words = qemu.command(plan, "tcg", 3)
        nets = [word for word in words if word.startswith("user,")]
        assert len(nets) == 1 and "restrict=on" in nets[0] and f"{qemu.server(transport)}:80-cmd:serve 'a,,b'" in nets[0]
        assert any(word.startswith("file=/a,,b/disk,") for word in words)
        assert (transport == "none") is not any(word.startswith("file=/a,,b/seed,") for word in words)
