# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream on disk, with real signatures: one step for readers, bytes once, nothing believed that was touched."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_change
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_change import Outcome, Wish
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_signing import Signers
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image import drop_cells


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Signers:
    """A key of our own."""
    home = tmp_path_factory.mktemp("keys")
    home.chmod(0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", "CMD-OS <release@example.org>", "ed25519", "sign", "never"], check=True)
    listing = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, stdout=subprocess.PIPE, text=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return Signers(str(home), (next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")),))


class Mirror:
    """A stream, and what is done to it."""

    def __init__(self, top: pathlib.Path, signers: Signers) -> None:
        self.top, self.signers = top, signers
        self.stream = top / "images/cmd-os-1"
        self.site = Site("cmd-os-1", "CMD-OS 1", "https://repo.example.org/images", "", 30, signers.keys)

    def do(self, state: str = "present", label: str = "", source: str = "", images: t.Sequence[pathlib.Path] = (), verdicts: t.Sequence[str] = (),
           dry: bool = False, verify: bool = False) -> Outcome:
        wish = Wish(state, label, source, tuple(map(str, images)), tuple(verdicts), (Boot("bios", "nocloud"),), "R. Manager", "", "", verify)
        return drop_change.run(str(self.top / "images"), self.site, self.signers, wish, dry)

    def cell(self, seed: str = "one") -> pathlib.Path:
        return drop_cells.cell(self.top / "build" / seed, seed=seed)

    def files(self) -> t.Dict[str, t.Tuple[int, bytes]]:
        """Everything readers see, with its inode."""
        return {str(path.relative_to(self.stream)): (path.stat().st_ino, path.read_bytes()) for path in sorted(self.stream.rglob("*")) if path.is_file()}


@pytest.fixture
def mirror(tmp_path: pathlib.Path, signers: Signers) -> Mirror:
    return Mirror(tmp_path, signers)


def test_check_mode_leaves_nothing_behind(mirror: Mirror) -> None:
    outcome = mirror.do(images=[mirror.cell()], dry=True)
    assert outcome.changed and not (mirror.top / "images").exists()


def test_a_second_run_changes_nothing(mirror: Mirror) -> None:
    assert mirror.do(images=[mirror.cell()]).changed
    before = mirror.files()
    assert not mirror.do(images=[mirror.cell()]).changed
    assert not mirror.do(images=[mirror.cell()], verify=True).changed
    assert mirror.files() == before


def test_the_bytes_of_a_promotion_are_on_disk_once(mirror: Mirror) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    mirror.do("promoted", "rc-1", label)
    for name in ("cmd-cloud-generic-x86_64.qcow2", "SHA256SUMS", "SHA256SUMS.asc", "CHECKSUM", "cmd-cloud-generic-x86_64.spdx.json"):
        assert (mirror.stream / label / name).samefile(mirror.stream / "rc-1" / name)


def test_what_is_published_stays_to_the_byte(mirror: Mirror) -> None:
    mirror.do(images=[mirror.cell()])
    before = mirror.files()
    mirror.do(images=[mirror.cell("two")])
    mirror.do("promoted", "alpha-1", mirror.do(images=[mirror.cell("two")]).drop.label)
    after = mirror.files()
    for path, told in before.items():
        if "/" in path and not path.startswith(("latest", "streams")):
            assert after[path] == told, path


def test_pointers_follow(mirror: Mirror) -> None:
    first = mirror.do(images=[mirror.cell()]).drop.label
    mirror.do("promoted", "rc-1", first)
    second = mirror.do(images=[mirror.cell("two")]).drop.label
    assert os.readlink(mirror.stream / "latest-scratch") == second and not (mirror.stream / "latest").is_symlink()
    report = mirror.top / "verdict.json"
    report.write_text(json.dumps(drop_cells.verdict(json.loads(mirror.cell().read_text()))))
    assert mirror.do("blessed", "rc-1").excuses and not (mirror.stream / "latest").is_symlink()
    outcome = mirror.do("blessed", "rc-1", verdicts=[str(report)])
    assert outcome.changed and os.readlink(mirror.stream / "latest") == "rc-1"
    assert not mirror.do("blessed", "rc-1", verdicts=[str(report)]).changed


def test_signatures_are_good(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mirror.do(images=[mirror.cell()])
    keyring = tmp_path / "keyring.gpg"
    subprocess.run(["gpg", "--batch", "--quiet", "--dearmor", "--output", str(keyring), str(mirror.stream / "KEY.asc")], check=True)
    label = mirror.stream / "latest-scratch"
    for files in ([label / "SHA256SUMS.asc", label / "SHA256SUMS"], [label / "CHECKSUM"], [label / "drop.sjson"], [mirror.stream / "index.asc"],
                  [mirror.stream / "streams/v1/index.sjson"]):
        subprocess.run(["gpgv", "--quiet", "--keyring", str(keyring), *map(str, files)], check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=label, check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == 0


def test_an_image_that_is_not_what_it_says_is_refused_and_nothing_stays(mirror: Mirror) -> None:
    path = mirror.cell()
    image = path.parent / "cmd-cloud-generic-x86_64.qcow2"
    image.write_bytes(image.read_bytes()[:-1] + b"x")
    with pytest.raises(Failure, match="not what image.json says"):
        mirror.do(images=[path])
    assert not mirror.stream.is_symlink() and os.listdir(mirror.top / "images/.streams/cmd-os-1") == ["lock"]


def test_images_that_do_not_fit_are_refused_before_anything_is_copied(mirror: Mirror) -> None:
    path = mirror.cell()
    told = json.loads(path.read_text())
    told["files"][0]["size"] = 1 << 43
    path.write_text(json.dumps(told))
    os.truncate(path.parent / told["files"][0]["name"], 1 << 43)  # a hole: ext4 has files of up to 16 TiB
    with pytest.raises(Failure, match="are free"):
        mirror.do(images=[path])


def test_a_final_drop_needs_a_source(mirror: Mirror) -> None:
    mirror.do(images=[mirror.cell()])
    with pytest.raises(Failure, match="Name an rc"):
        mirror.do("blessed", "final")


@pytest.mark.parametrize("thoroughly", [False, True])
def test_a_published_file_that_was_touched_is_noticed(mirror: Mirror, thoroughly: bool) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    image = mirror.stream / label / "cmd-cloud-generic-x86_64.ova"
    told = image.stat()
    image.chmod(0o644)
    image.write_bytes(b"x" * told.st_size)
    if thoroughly:  # as damage by a disk would: nobody wrote
        os.utime(image, ns=(told.st_atime_ns, told.st_mtime_ns))
    with pytest.raises(Failure, match=r"ova is not what was published"):
        mirror.do(images=[mirror.cell()], verify=thoroughly)


def test_damage_is_noticed_before_it_is_promoted(mirror: Mirror) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    image = mirror.stream / label / "cmd-cloud-generic-x86_64.ova"
    told = image.stat()
    image.chmod(0o644)
    image.write_bytes(b"x" * told.st_size)
    os.utime(image, ns=(told.st_atime_ns, told.st_mtime_ns))
    with pytest.raises(Failure, match=r"ova is not what was published"):
        mirror.do("promoted", "rc-1", label)


def test_a_record_that_was_removed_stops_everything(mirror: Mirror) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    (mirror.stream / label / "drop.json").unlink()
    with pytest.raises(Failure, match=r"drop.json is not what was published"):
        mirror.do(images=[mirror.cell("two")])


def test_a_page_that_was_removed_is_made_again(mirror: Mirror) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    page = mirror.stream / label / "index.html"
    before = page.read_bytes()
    page.unlink()
    assert mirror.do(images=[mirror.cell()]).changed
    assert page.read_bytes() == before


def test_another_title_makes_the_pages_anew_and_touches_no_image(mirror: Mirror) -> None:
    label = mirror.do(images=[mirror.cell()]).drop.label
    before = mirror.files()
    mirror.site = mirror.site._replace(title="CMD-OS One")
    assert mirror.do(images=[mirror.cell()]).changed
    after = mirror.files()
    assert after[f"{label}/index.html"] != before[f"{label}/index.html"]
    assert after[f"{label}/SHA256SUMS.asc"] == before[f"{label}/SHA256SUMS.asc"]


def test_what_a_killed_run_left_is_cleared_away(mirror: Mirror) -> None:
    mirror.do(images=[mirror.cell()])
    top = mirror.top / "images/.streams/cmd-os-1"
    (top / "new").mkdir()
    (top / "new/half").write_bytes(b"half")
    (top / "00000002").mkdir()
    (top / "pointer").symlink_to("nowhere")
    assert not mirror.do(images=[mirror.cell()]).changed
    assert sorted(os.listdir(top)) == ["00000001", "lock"]
    assert mirror.do(images=[mirror.cell("two")]).changed


def test_old_generations_go(mirror: Mirror) -> None:
    for number in range(6):
        mirror.do(images=[mirror.cell(str(number))])
    assert sorted(os.listdir(mirror.top / "images/.streams/cmd-os-1")) == ["00000003", "00000004", "00000005", "00000006", "lock"]


def test_whatever_else_has_the_streams_name_is_left_alone(mirror: Mirror) -> None:
    mirror.stream.mkdir(parents=True)
    with pytest.raises(Failure, match="no stream of images"):
        mirror.do(images=[mirror.cell()])
    mirror.stream.rmdir()
    mirror.stream.symlink_to("/etc")
    with pytest.raises(Failure, match="no generation of a stream"):
        mirror.do(images=[mirror.cell()])


def test_any_umask_gives_what_a_web_server_can_read(mirror: Mirror) -> None:
    before = os.umask(0o077)
    try:
        mirror.do(images=[mirror.cell()])
    finally:
        os.umask(before)
    for directory, _directories, names in os.walk(mirror.top / "images"):
        assert os.stat(directory).st_mode & 0o755 == 0o755
        for name in names:
            assert name == "lock" or os.stat(os.path.join(directory, name)).st_mode & 0o444 == 0o444
