# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles from cmd-mirror's command line: what arrives is what left, and nothing else does; signatures are real."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror import console
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_write import Layout, padding
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.bundle_sites import FINGERPRINTS, Answer, Sites

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")


@pytest.fixture(scope="module")
def key() -> t.Iterator[keys.Keys]:
    with keys.throw_away() as made:
        FINGERPRINTS.update({name: made.make(name) for name in ("upstream", "exporter", "stranger")})
        yield made


@pytest.fixture
def sites(tmp_path: pathlib.Path, key: keys.Keys, capsys: pytest.CaptureFixture[str]) -> t.Iterator[Sites]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Sites(tmp_path, key, capsys.readouterr)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_what_arrives_is_what_left(sites: Sites) -> None:
    name = sites.publish(alpha=b"one", beta=b"two")
    assert sites.export()["changed"] and not sites.export()["changed"]
    done = sites.bring()
    assert done["changed"] and done["snapshot"] == done["published"] == name and done["signers"] == [FINGERPRINTS["exporter"]]
    assert sites.seen("isolated") == sites.seen("mirror")
    assert not sites.bring()["changed"]
    assert sites.run("isolated", "verify")["findings"] == []


def test_a_delta_carries_what_is_new_and_needs_its_base(sites: Sites) -> None:
    sites.publish(alpha=b"one" * 999, beta=b"two")
    full = sites.export()
    sites.bring()
    name = sites.publish(alpha=b"one" * 999, gamma=b"three")
    inventory = sites.work / "inventory.json"
    sites.run("isolated", "bundle", "inventory", "--to", str(inventory))
    delta = sites.export("--inventory", str(inventory))
    assert delta["base"] == [full["snapshot"]] and delta["snapshot"] == name
    carried = {path.name for path in (sites.medium / "files").rglob("*") if path.is_file()}
    assert archives.digest(b"three") in carried and archives.digest(b"one" * 999) not in carried
    since = sites.export("--since", full["snapshot"])
    assert not since["changed"] and since["bytes"] == delta["bytes"]
    assert sites.bring()["published"] == name
    assert sites.seen("isolated") == sites.seen("mirror")
    shutil.rmtree(sites.root("isolated"))
    sites.refused("it builds on " + full["snapshot"])


def test_a_tar_stream_is_the_same_bundle(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    assert sites.export("--tar", str(sites.tar))["changed"] and not sites.export("--tar", str(sites.tar))["changed"]
    with tarfile.open(sites.tar) as archive:
        assert archive.getnames()[:2] == ["bundle.json", "bundle.json.asc"]
    sites.bring(sites.tar)
    assert sites.seen("isolated") == sites.seen("mirror")
    command = sites.program("mirror", "bundle", "export", "set", "--tar", "-", "--key-home", sites.key.home, "--key", FINGERPRINTS["exporter"])
    streamed = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    (sites.work / "streamed.tar").write_bytes(streamed.stdout)
    assert not sites.bring(sites.work / "streamed.tar")["changed"]


def test_an_image_is_the_same_bundle(sites: Sites) -> None:
    name = sites.publish(alpha=b"one", beta=b"")
    assert sites.export("--iso", str(sites.iso))["changed"] and not sites.export("--iso", str(sites.iso))["changed"]
    first = sites.iso.read_bytes()
    assert name.upper().replace("-", "_").encode() in first[:20 * 2048]  # what a drive shows as the name of the disc
    sites.bring(sites.iso)
    assert sites.seen("isolated") == sites.seen("mirror")
    command = sites.program("mirror", "bundle", "export", "set", "--iso", "-", "--key-home", sites.key.home, "--key", FINGERPRINTS["exporter"])
    streamed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert len(streamed) == len(first)
    sites.iso.write_bytes(streamed)
    assert not sites.bring(sites.iso)["changed"]
    sites.export("--tar", str(sites.iso))  # the same bundle in another form is another file
    assert sites.iso.read_bytes()[:11] == b"bundle.json"


def test_hostile_images_are_refused(sites: Sites) -> None:
    sites.publish(alpha=b"one", beta=b"two" * 999)
    sites.export()
    sites.export("--iso", str(sites.iso))
    good = sites.iso.read_bytes()
    contents = {str(path.relative_to(sites.medium)): path.read_bytes() for path in sorted(sites.medium.rglob("*")) if path.is_file()}
    package = bundles.path_of(archives.digest(b"two" * 999))

    def image(**changes: t.Optional[bytes]) -> bytes:
        files = {path: content for path, content in {**contents, **changes}.items() if content is not None}
        layout = Layout({path: len(content) for path, content in files.items()}, "x", 0)
        return b"".join([*layout.head(), *(content + padding(len(content)) for content in files.values())])

    flipped = good.replace(b"two" * 999, b"twO" + b"two" * 998)
    for data, why in (
        (flipped, "is damaged or was changed"), (good[:-2048], "cut off"), (good[:len(good) // 2], "cut off"), (good[:40000], "cut off"),
        (image(**{"..": b""}), "is not of this bundle"), (image(**{"../escaped": b""}), "is not of this bundle"),
        (image(**{"files/aa/../../../escaped": b""}), "is not of this bundle"), (image(more=b"x"), "is not of this bundle"),
        (image(**{"files/bundle.json": b"x"}), "is not of this bundle"), (image(**{package: None}), "files are missing"),
        (image(**{package: b"two"}), "another size"), (image(**{"bundle.json": None}), "does not hold bundle.json"),
        (image(**{"bundle.json.asc": None, "bundle.json.asc/x": b""}), "does not hold bundle.json.asc"),
        (image(**{"bundle.json.asc": b"x" * (1 << 17)}), "is larger than"), (good.replace(b"NM", b"XX"), "no Rock Ridge name"),
    ):
        sites.iso.write_bytes(data)
        sites.refused(why, sites.iso)
    sites.iso.write_bytes(good)
    sites.bring(sites.iso)


def test_export_and_import_go_on_where_they_stopped(sites: Sites) -> None:
    name = sites.publish(alpha=b"one", beta=b"two")
    sites.export()
    files = sorted(path for path in (sites.medium / "files").rglob("*") if path.is_file())
    copy = sites.work / "copy"
    shutil.copytree(sites.medium, copy)
    (sites.medium / "bundle.json").unlink()
    files[0].unlink()
    (sites.medium / "partial").write_bytes(b"cut")
    sites.refused("bundle.json cannot be read")
    assert sites.export()["changed"]
    assert all(path.read_bytes() == (copy / path.relative_to(sites.medium)).read_bytes() for path in files)
    damaged = files[-1].read_bytes()
    files[-1].write_bytes(bytes([damaged[0] ^ 1]) + damaged[1:])
    sites.refused("is damaged or was changed")
    stamps = {path: path.stat().st_ino for path in (sites.root("isolated") / "store/sha256").rglob("*") if path.is_file()}
    assert stamps
    files[-1].write_bytes(damaged)
    assert sites.bring()["published"] == name
    assert all(path.stat().st_ino == inode for path, inode in stamps.items())


def test_a_killed_import_goes_on(sites: Sites) -> None:
    name = sites.publish(alpha=os.urandom(3 << 20), beta=os.urandom(3 << 20))
    sites.export("--tar", str(sites.tar))
    sites.run("isolated", "status")
    stream = sites.tar.read_bytes()
    with subprocess.Popen(sites.program("isolated", "bundle", "import", "-", "--keyring", sites.trusted), stdin=subprocess.PIPE) as importing:
        t.cast(t.IO[bytes], importing.stdin).write(stream[:len(stream) * 2 // 3])
        importing.kill()
    assert sites.shown() == ([], None)
    assert sites.bring(sites.tar)["published"] == name
    assert sites.seen("isolated") == sites.seen("mirror")


def test_a_killed_publication_is_made_up_for(sites: Sites) -> None:
    name = sites.publish(alpha=b"one")
    sites.export()
    sites.bring()
    sites.run("isolated", "snapshot", "delete", "set")
    assert sites.bring()["published"] == name


def test_an_older_bundle_does_not_move_readers_back(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    old = sites.work / "old"
    sites.export("--to", str(old))
    newer = sites.publish(alpha=b"two")
    sites.export()
    sites.bring()
    done = sites.bring(old)
    assert done["changed"] and done["published"] == newer and "newer" in done["warnings"][0]


def test_a_directory_with_anything_else_is_no_target(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.medium.mkdir()
    (sites.medium / "thesis.txt").write_text("three years of work")
    assert "thesis.txt there is not of a bundle" in sites.export(good=1)
    assert os.listdir(sites.medium) == ["thesis.txt"]
    sites.medium.rename(sites.work / "elsewhere")
    assert "no secret key" in sites.run("mirror", "bundle", "export", "set", "--to", str(sites.medium), "--key-home", sites.key.home, "--key", "0" * 40, good=1)
    assert not sites.medium.exists()


def test_signatures_decide(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export(signer="stranger")
    sites.refused("which the keyring does not have")
    sites.export()
    document = (sites.medium / "bundle.json").read_bytes()
    (sites.medium / "bundle.json").write_bytes(document.replace(b'"created":1', b'"created":2'))
    sites.refused("does not match the text")
    (sites.medium / "bundle.json").write_bytes(document)
    (sites.medium / "bundle.json.asc").write_bytes(b"")
    sites.refused("not an armored detached signature")


def test_what_is_not_of_the_bundle_is_refused(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export()
    file = next(path for path in (sites.medium / "files").rglob("*") if path.is_file())
    (file.parent / "extra").write_bytes(b"x")
    sites.refused("is not of this bundle")
    (file.parent / "extra").unlink()
    content = file.read_bytes()
    for wrong in (content[:-1], content + b"x"):
        file.write_bytes(wrong)
        sites.refused("bytes, not")
    file.unlink()
    sites.refused("files are missing")
    outside = sites.work / "outside"
    outside.write_bytes(content)
    file.symlink_to(outside)
    sites.refused("is no plain file")
    file.unlink()
    os.mkfifo(file)
    sites.refused("is no plain file")
    file.unlink()
    (sites.medium / "bundle.json").rename(sites.work / "document")
    (sites.medium / "bundle.json").symlink_to(sites.work / "document")
    sites.refused("bundle.json is a link")


def test_the_right_key_does_not_make_a_path_right(sites: Sites) -> None:
    """Nothing of what a trusted exporter signs may leave the mirror, or stand without the upstream's signature."""
    sites.publish(alpha=b"one", beta=b"two")

    def hostile(source: str, change: t.Callable[[str], str]) -> None:
        shutil.rmtree(sites.medium, ignore_errors=True)
        sites.export()

        def edit(document: Answer) -> None:
            told = document["sources"][source]
            old = told["manifest"]
            content = change((sites.medium / bundles.path_of(old)).read_text()).encode()
            told["manifest"] = sites.replace(old, content)
            del document["metadata"][old]
            document["metadata"][told["manifest"]] = len(content)

        sites.resign(edit)

    for path in ("../../../../../../escaped", "/tmp/escaped", "pool//x", "a\\b"):
        hostile("deb", lambda text, path=path: text.replace("pool/main/a/alpha/alpha_1.0-1_all.deb", path))
        sites.refused("Failed to accept path")
    hostile("deb", lambda text: text.replace("pool/main/a/alpha/alpha_1.0-1_all.deb", "pool/main/e/evil_1_all.deb"))
    sites.refused("what deb signed and what the bundle holds differ")
    hostile("rpm", lambda text: text.replace(archives.digest(b"one"), archives.digest(b"two")))
    sites.refused("what rpm signed and what the bundle holds differ")
    hostile("deb", lambda text: text.replace("earlier 0\n", f"earlier 1\nnews.html\n3\n{archives.digest(b'one')}\n"))
    sites.refused("the first is news.html")
    hostile("deb", lambda text: text[:-20])
    sites.refused("Failed to read")


HOSTILE: t.List[t.Tuple[t.Callable[[Answer], t.Any], str]] = [
    (lambda document: document.update(generation="../../escaped"), "no name of a snapshot"),
    (lambda document: document.update(set="../x"), "use the name"),
    (lambda document: document.update(set="other", generation="other-2026-01-01-000000"), "no set 'other'"),
    (lambda document: document["sources"].update({"../x": document["sources"]["deb"]}), "no name of a source"),
    (lambda document: document["sources"].update(more=document["sources"]["deb"]), "no source 'more'"),
    (lambda document: document["sources"]["deb"].update(selection="x"), "asks for something else"),
    (lambda document: document["sources"]["deb"].update(identity="x"), "not what the bundle says"),
    (lambda document: document["sources"]["deb"].update(moments={"../x": 1}), "Failed to accept path"),
    (lambda document: document["sources"]["deb"].update(moments={}), "does not carry the metadata"),
    (lambda document: document["files"].update({"../../x": 1}), "SHA-256"),
    (lambda document: document.update(created=-1), "out of range"),
    (lambda document: document.update(more=1), "exactly the keys"),
    (lambda document: document.update(format="egi.cmd mirror bundle 2"), "not of the form"),
]


def test_a_signed_document_is_still_checked(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export()
    document = (sites.medium / "bundle.json").read_bytes()
    for change, why in HOSTILE:
        (sites.medium / "bundle.json").write_bytes(document)
        sites.resign(change)
        sites.refused(why)


def test_upstreams_signature_must_be_good_here_too(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export()
    sites.deb["keyring"] = sites.key.keyring(sites.work / "other.gpg", FINGERPRINTS["stranger"])
    sites.refused("which the keyring does not have")


def test_hostile_archives_are_refused(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export("--tar", str(sites.tar))
    good = sites.tar.read_bytes()

    def repacked(edit: t.Callable[[t.List[t.Tuple[tarfile.TarInfo, bytes]]], None]) -> None:
        with tarfile.open(fileobj=io.BytesIO(good)) as archive:
            members = [(member, t.cast(t.IO[bytes], archive.extractfile(member)).read()) for member in archive]
        edit(members)
        with tarfile.open(sites.tar, "w", format=tarfile.GNU_FORMAT) as archive:
            for member, content in members:
                archive.addfile(member, io.BytesIO(content))

    def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> t.Tuple[tarfile.TarInfo, bytes]:
        made = tarfile.TarInfo(name)
        made.type, made.linkname = kind, link
        return made, b""

    for extra, why in ((member("../../escaped"), "is not of this bundle"), (member("/tmp/escaped"), "is not of this bundle"),
                       (member("files/aa/link", tarfile.SYMTYPE, "/etc/passwd"), "is no plain file"),
                       (member("files/aa/x", tarfile.LNKTYPE, "bundle.json"), "is no plain file"),
                       (member("x" * 200), "is no plain file"), (member("dev", tarfile.CHRTYPE), "is no plain file")):
        for place in (2, 1000):
            repacked(lambda members, extra=extra, place=place: members.insert(place, extra))
            sites.refused(why, sites.tar)
    repacked(lambda members: members.append(members[-1]))
    sites.refused("or is there twice", sites.tar)
    repacked(lambda members: members.pop())
    sites.refused("files are missing", sites.tar)
    repacked(lambda members: members.insert(0, members.pop()))
    sites.refused("does not hold bundle.json", sites.tar)
    for content, why in ((good[:len(good) // 2], "cut off"), (good[:-1024], "cut off"), (b"", "cut off"), (good + b"more", "something follows"),
                         (b"x" * 4096, "no tar archive")):
        sites.tar.write_bytes(content)
        sites.refused(why, sites.tar)


def test_a_busy_mirror_and_a_stop_leave_everything(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    sites.export()
    sites.run("isolated", "status")
    configuration = console.configurations.load(str(sites.work / "isolated.json"))
    with Mirror(configuration).locked():
        assert "another run" in sites.bring(good=3)
    assert sites.shown() == ([], None)


def test_nonsense_inventories_are_refused(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    inventory = sites.work / "inventory.json"
    for text in ("", "[]", "{}", "[" * 100000, '{"format":"egi.cmd mirror inventory 1","generations":[],"files":["x"]}'):
        inventory.write_text(text)
        assert "Failed to read inventory" in sites.export("--inventory", str(inventory), good=1)
