# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image bundles: what goes in comes out, openssl, gzip and tar agree, and each thing that is wrong has its own refusal."""

from __future__ import annotations

import hashlib
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

pytest.importorskip("cryptography")

from ansible_collections.egi.cmd.plugins.module_utils._image import bundle_cipher, bundle_manifest, bundle_read, bundle_write, ovf_files  # noqa: E402
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_manifest import Bundle  # noqa: E402

WANTED = Bundle("alpha", "123456789012", "machine", "x86_64", kernel="eki-1234", ramdisk="eri-5678", devices=(("ami", "sda1"), ("root", "/dev/sda1")))
PART = 4096


class Person(t.NamedTuple):
    """Someone with a key."""

    key_path: str
    certificate_path: str

    @property
    def key(self) -> bundle_cipher.PrivateKey:
        return bundle_cipher.PrivateKey(self.key_path)

    @property
    def certificate(self) -> bundle_cipher.PublicKey:
        return bundle_cipher.certificate(self.certificate_path)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("keys")
    found = {}
    for name in ("user", "cloud", "stranger"):
        person = Person(str(folder / f"{name}.key"), str(folder / f"{name}.pem"))
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        subprocess.run([*command, "-keyout", person.key_path, "-out", person.certificate_path], check=True, stderr=subprocess.DEVNULL)
        found[name] = person
    return found


def image(folder: Path, data: bytes = bytes(range(256)) * 300 + bytes(70000)) -> Path:
    path = folder / "alpha.raw"
    path.write_bytes(data + os.urandom(9000))  # what cannot be packed fills some parts
    return path


@pytest.fixture
def bundled(tmp_path: Path, people: dict[str, Person]) -> Path:
    changed, _bundle = bundle_write.write(str(tmp_path / "bundle"), str(image(tmp_path)), WANTED, people["user"].key, people["cloud"].certificate, PART)
    assert changed
    return tmp_path / "bundle"


def unbundle(folder: Path, person: Person, signer: Person | None = None) -> bytes:
    bundle = bundle_read.load(str(folder / "alpha.manifest.xml"), (signer or person).certificate)
    bundle_read.check_parts(bundle, str(folder))
    target = folder.parent / "out.raw"
    ovf_files.replace(str(target), bundle_read.contents(bundle, str(folder), person.key), sparse=True)
    return target.read_bytes()


def test_the_image_comes_out_as_it_went_in(bundled: Path, people: dict[str, Person]) -> None:
    assert unbundle(bundled, people["user"]) == (bundled.parent / "alpha.raw").read_bytes()
    bundle = bundle_read.load(str(bundled / "alpha.manifest.xml"), people["user"].certificate)
    assert bundle._replace(sha1="", size=0, bundled=0, cloud_key="", user_key="", cloud_vector="", user_vector="", parts=()) == WANTED
    assert len(bundle.parts) >= 3


def test_the_cloud_can_open_it_with_openssl_gzip_and_tar_alone(bundled: Path, people: dict[str, Person], tmp_path: Path) -> None:
    bundle = bundle_read.load(str(bundled / "alpha.manifest.xml"), people["user"].certificate)

    def opened(value: str) -> str:
        command = ["openssl", "pkeyutl", "-decrypt", "-inkey", people["cloud"].key_path, "-pkeyopt", "rsa_padding_mode:pkcs1"]
        return subprocess.run(command, input=bytes.fromhex(value), stdout=subprocess.PIPE, check=True).stdout.decode()

    encrypted = b"".join((bundled / part.name).read_bytes() for part in bundle.parts)
    command = ["openssl", "enc", "-d", "-aes-128-cbc", "-K", opened(bundle.cloud_key), "-iv", opened(bundle.cloud_vector)]
    packed = subprocess.run(command, input=encrypted, stdout=subprocess.PIPE, check=True).stdout
    archive = subprocess.run(["gzip", "-dc"], input=packed, stdout=subprocess.PIPE, check=True).stdout
    assert hashlib.sha1(archive).hexdigest() == bundle.sha1
    assert subprocess.run(["tar", "-xO"], input=archive, stdout=subprocess.PIPE, check=True).stdout == (tmp_path / "alpha.raw").read_bytes()
    signature = tmp_path / "signature"
    signature.write_bytes(bytes.fromhex(bundle_manifest.decode((bundled / "alpha.manifest.xml").read_bytes())[2]))
    public = tmp_path / "public"
    subprocess.run(["openssl", "x509", "-in", people["user"].certificate_path, "-noout", "-pubkey", "-out", str(public)], check=True)
    command = ["openssl", "dgst", "-sha1", "-verify", str(public), "-signature", str(signature)]
    subprocess.run(command, input=bundle_manifest.signed_text(bundle), stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize("kind", ["kernel", "ramdisk"])
def test_a_kernel_says_that_it_is_one(tmp_path: Path, people: dict[str, Person], kind: str) -> None:
    wanted = Bundle("vmlinuz", "123456789012", kind, "i386")
    _changed, bundle = bundle_write.write(str(tmp_path / "k"), str(image(tmp_path)), wanted, people["user"].key, people["cloud"].certificate)
    text = (tmp_path / "k/vmlinuz.manifest.xml").read_text()
    assert f"<{kind}_id>true</{kind}_id>" in text
    assert "<user>123456789012</user><type>" in text
    assert bundle_read.load(str(tmp_path / "k/vmlinuz.manifest.xml"), people["user"].certificate) == bundle


def test_the_same_image_again_changes_nothing_and_another_one_does(bundled: Path, people: dict[str, Person], tmp_path: Path) -> None:
    user, cloud = people["user"].key, people["cloud"].certificate
    before = {path.name: path.read_bytes() for path in bundled.iterdir()}
    assert not bundle_write.write(str(bundled), str(tmp_path / "alpha.raw"), WANTED, user, cloud, PART)[0]
    (tmp_path / "alpha.raw").write_bytes(b"short")
    assert bundle_write.write(str(bundled), str(tmp_path / "alpha.raw"), WANTED, user, cloud, PART, dry=True)[0]
    assert {path.name: path.read_bytes() for path in bundled.iterdir()} == before
    assert bundle_write.write(str(bundled), str(tmp_path / "alpha.raw"), WANTED, user, cloud, PART)[0]
    assert sorted(path.name for path in bundled.iterdir()) == ["alpha.manifest.xml", "alpha.part.0"]
    assert unbundle(bundled, people["user"]) == b"short"


def damage_part(folder: Path) -> None:
    data = bytearray((folder / "alpha.part.1").read_bytes())
    data[7] ^= 1
    (folder / "alpha.part.1").write_bytes(bytes(data))


def edit(old: str, new: str) -> t.Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "alpha.manifest.xml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return act


DAMAGE: dict[str, tuple[str, t.Callable[[Path], object]]] = {
    "a missing part": ("part-missing", lambda folder: (folder / "alpha.part.1").unlink()),
    "a truncated part": ("part-truncated: alpha.part.1 ", lambda folder: os.truncate(folder / "alpha.part.1", 4000)),
    "a truncated last part": ("part-truncated", lambda folder: os.truncate(max(folder.glob("*.part.*"), key=lambda path: int(path.suffix[1:])), 5)),
    "a longer part": ("part-size", lambda folder: (folder / "alpha.part.0").write_bytes(bytes(5000))),
    "a changed part": ("part-digest", damage_part),
    "a link for a part": ("part-form", lambda folder: ((folder / "alpha.part.0").rename(folder / "x"), (folder / "alpha.part.0").symlink_to("x"))),
    "a changed manifest": ("bundle-signature", edit("<architecture>x86_64", "<architecture>i386")),
    "another signature": ("bundle-signature", edit("<signature>", "<signature>00")),
    "a signed element in a comment": ("bundle-form", edit("<image>", "<!-- --><image>")),
    "a second image": ("bundle-form", edit("<image>", "<image></image><image>")),
    "a part from above": ("name-parent", edit("alpha.part.0", "../alpha.part.0")),
    "an entity": ("xml-doctype", edit("<manifest>", "<!DOCTYPE m [<!ENTITY e 'x'>]><manifest>")),
    "another version": ("bundle-version", edit("2007-10-10", "2099-01-01")),
    "no manifest": ("No such file", lambda folder: (folder / "alpha.manifest.xml").unlink()),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_bundle_is_refused_by_name(bundled: Path, people: dict[str, Person], name: str) -> None:
    rule, act = DAMAGE[name]
    act(bundled)
    with pytest.raises(Failure, match=rule):
        unbundle(bundled, people["user"])
    assert sorted(path.name for path in bundled.parent.iterdir()) == ["alpha.raw", "bundle"]


def test_another_key_opens_nothing(bundled: Path, people: dict[str, Person]) -> None:
    with pytest.raises(Failure, match="bundle-key"):
        unbundle(bundled, people["stranger"], signer=people["user"])
    with pytest.raises(Failure, match="bundle-signature"):
        unbundle(bundled, people["user"], signer=people["stranger"])


@pytest.mark.parametrize("change, rule", [
    ({"sha1": "0" * 40}, "bundle-digest"), ({"size": 5}, "bundle-size"), ({"user_vector": "00"}, "bundle-key"),
])
def test_who_can_sign_still_has_to_be_consistent(bundled: Path, people: dict[str, Person], change: dict[str, t.Any], rule: str) -> None:
    path = bundled / "alpha.manifest.xml"
    wrong = bundle_read.load(str(path), people["user"].certificate)._replace(**change)
    path.write_bytes(bundle_manifest.encode(wrong, people["user"].key.sign(bundle_manifest.signed_text(wrong))))
    with pytest.raises(Failure, match=rule):
        unbundle(bundled, people["user"])
    assert not (bundled.parent / "out.raw").exists()


def forged(folder: Path, people: dict[str, Person], plain: bytes, size: int) -> Path:
    """A bundle whose maker signs anything: plain is what is encrypted."""
    folder.mkdir()
    session, vector = bytes(16), bytes(16)
    data = b"".join(bundle_cipher.encrypted([plain], session, vector))
    (folder / "alpha.part.0").write_bytes(data)
    user = people["user"]
    wrong = WANTED._replace(
        sha1="0" * 40, size=size, bundled=len(data), user_key=user.certificate.encrypt(session), user_vector=user.certificate.encrypt(vector),
        parts=(bundle_manifest.Part("alpha.part.0", hashlib.sha1(data).hexdigest()),),
    )
    (folder / "alpha.manifest.xml").write_bytes(bundle_manifest.encode(wrong, user.key.sign(bundle_manifest.signed_text(wrong))))
    return folder


def test_what_unpacks_without_end_is_stopped(tmp_path: Path, people: dict[str, Person]) -> None:
    bomb = subprocess.run(["sh", "-c", "head -c 50M /dev/zero | gzip -1"], stdout=subprocess.PIPE, check=True).stdout
    with pytest.raises(Failure, match="bundle-(size|members)"):
        unbundle(forged(tmp_path / "bundle", people, bomb, 1000), people["user"])


def test_a_second_file_in_the_archive_is_refused(tmp_path: Path, people: dict[str, Person]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    packed = subprocess.run(["tar", "-C", str(tmp_path), "-cz", "a", "b"], stdout=subprocess.PIPE, check=True).stdout
    with pytest.raises(Failure, match="bundle-members"):
        unbundle(forged(tmp_path / "bundle", people, packed, 1000), people["user"])


def test_a_link_in_the_archive_is_refused(tmp_path: Path, people: dict[str, Person]) -> None:
    (tmp_path / "a").symlink_to("/etc/hostname")
    packed = subprocess.run(["tar", "-C", str(tmp_path), "-cz", "a"], stdout=subprocess.PIPE, check=True).stdout
    with pytest.raises(Failure, match="bundle-members"):
        unbundle(forged(tmp_path / "bundle", people, packed, 0), people["user"])


def test_what_is_no_archive_is_refused(tmp_path: Path, people: dict[str, Person]) -> None:
    with pytest.raises(Failure, match="bundle-stream"):
        unbundle(forged(tmp_path / "bundle", people, b"no gzip", 7), people["user"])


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "locked.key"
    subprocess.run(["openssl", "genrsa", "-aes128", "-passout", "pass:secret", "-out", str(path), "2048"], check=True, stderr=subprocess.DEVNULL)
    with pytest.raises(Failure, match="has a passphrase"):
        bundle_cipher.PrivateKey(str(path))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=30), place=st.integers(0, 3000), many=st.integers(0, 30))
def test_a_mutated_manifest_is_refused(bundled: Path, people: dict[str, Person], data: bytes, place: int, many: int) -> None:
    path = bundled / "alpha.manifest.xml"
    before = path.read_bytes()
    path.write_bytes(before[:place] + data + before[place + many:])
    try:
        unbundle(bundled, people["user"])
    except Failure:
        pass
    finally:
        path.write_bytes(before)
    assert {one.name for one in bundled.parent.iterdir()} <= {"alpha.raw", "bundle", "out.raw"}
