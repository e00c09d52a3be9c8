#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drops of images from the first build to the final release; what others' tools say of them; killed at random moments.

Uses egi.cmd.image_drop. ``run.py change STATE LABEL SOURCE IMAGE...`` is what the case of the kills kills.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[3]
sys.path[:0] = [str(TOP), str(HERE), os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":")[0]]

STATE = Path(os.environ["LAB_STATE"])
SERVED, BUILDS, KEYS = STATE / "www/images", STATE / "builds", STATE / "keys"
STREAM = SERVED / "cmd-os-1"
PORT = 8674
URL = f"http://127.0.0.1:{PORT}/images"
KILLS = 20
BOOTS = [{"firmware": "bios", "transport": "nocloud"}, {"firmware": "uefi", "transport": "nocloud"}]
CELLS = (("generic", "x86_64"), ("generic", "i686"), ("ec2", "x86_64"), ("ec2", "i686"))
Answer = t.Dict[str, t.Any]

cells = importlib.import_module("tests.unit.plugins.module_utils._image.drop_cells")


def run(command: t.Sequence[t.Union[str, Path]], good: t.Collection[int] = (0,), **environment: str) -> str:
    """Run a program; return its standard output."""
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=300, env={**os.environ, **environment})
    assert done.returncode in good, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def fingerprint() -> str:
    """The key of the release team, made on first use."""
    options = ["gpg", "--homedir", str(KEYS), "--batch", "--quiet"]
    if not KEYS.exists():
        KEYS.mkdir(mode=0o700)
        run([*options, "--passphrase", "", "--quick-generate-key", "CMD-OS <release@example.org>", "ed25519", "sign", "never"])
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", KEYS / "endorser.key", "-out", KEYS / "endorser.pem", "-days", "30",
             "-subj", "/DC=org/DC=example/CN=Image Endorser/emailAddress=images@example.org"])
    return next(line.split(":")[9] for line in run([*options, "--with-colons", "--list-keys"]).splitlines() if line.startswith("fpr:"))


def common() -> Answer:
    """What every call has."""
    return {"directory": str(SERVED), "stream": "cmd-os-1", "title": "CMD-OS 1", "base_url": URL, "contact": "images@example.org", "key_home": str(KEYS),
            "signing_keys": [fingerprint()], "smime_certificate": str(KEYS / "endorser.pem"), "smime_key": str(KEYS / "endorser.key")}


def drop(good: bool = True, flags: t.Sequence[str] = (), **arguments: t.Any) -> Answer:
    """Call egi.cmd.image_drop as Ansible does; return what it returns."""
    text = run(["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *flags,
                "-m", "egi.cmd.image_drop", "-a", json.dumps({**common(), **arguments})], good=(0,) if good else (2,), ANSIBLE_NOCOLOR="1")
    assert "Traceback" not in text, text
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    answer["shown"] = text
    return answer


def build(seed: str, size: int = 1 << 20, **more: t.Any) -> t.List[str]:
    """Four images; the paths of their image.json."""
    return [str(cells.cell(BUILDS / seed / f"{variant}-{architecture}", variant, architecture, seed, size=size, **more)) for variant, architecture in CELLS]


def reports(images: t.Sequence[str], **changes: str) -> t.List[str]:
    """Reports that they booted; their paths."""
    found = []
    for path in images:
        for boot in BOOTS:
            report = Path(path).with_name(f"{boot['firmware']}.verdict.json")
            report.write_text(json.dumps(cells.verdict(json.loads(Path(path).read_text()), boot["firmware"], **changes)))
            found.append(str(report))
    return found


def tree() -> t.Dict[str, t.Tuple[int, int]]:
    """Path -> inode and time of everything below what is served, but the lock."""
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in SERVED.rglob("*") if path.name != "lock"}


def refused(pattern: str, **arguments: t.Any) -> Answer:
    """What has to be refused with these words, and to leave readers alone."""
    before = os.readlink(STREAM) if STREAM.is_symlink() else None
    answer = drop(good=False, **arguments)
    assert re.search(pattern, answer["msg"]), f"{pattern!r} is not in: {answer['msg']}"
    assert (os.readlink(STREAM) if STREAM.is_symlink() else None) == before
    return answer


def a_build_is_dropped() -> None:
    """Check mode says so and does nothing; the second run changes nothing; the next build's difference names the package."""
    SERVED.parent.mkdir(parents=True, exist_ok=True)
    images = build("one")
    assert drop(flags=["--check"], images=images)["changed"] and not SERVED.exists()
    first = drop(images=images)
    assert first["changed"] and first["label"] == first["latest_scratch"] and first["latest"] == "", first
    before = tree()
    assert not drop(images=images)["changed"] and not drop(images=images, verify=True)["changed"] and tree() == before
    changed = [*cells.PACKAGES[:3], ("middleware", "1:2.4-1~d12+mos1", "amd64", "middleware-src", "2.4", "cmd-os-1-updates")]
    second = drop(flags=["--diff"], images=build("two", packages=changed))
    assert "~ middleware:amd64 1:2.3-1~d12+mos1 -> 1:2.4-1~d12+mos1" in second["shown"]
    assert sorted(second["difference"]["packages"]) == sorted(f"cmd-cloud-{variant}-{architecture}" for variant, architecture in CELLS)
    assert all(change["before"] != change["after"] for image in second["difference"]["changed"] for change in image["files"])


def a_candidate_is_blessed_once_it_booted() -> None:
    """Excuses say what is missing and who acts; reports about other bytes count for nothing; then latest leads there."""
    label = os.readlink(STREAM / "latest-scratch")
    promoted = drop(state="promoted", source=label, label="rc-1", by="R. Manager", required_boots=BOOTS)
    assert promoted["changed"] and len(promoted["excuses"]) == 8 and promoted["latest"] == ""
    wish = {"state": "blessed", "label": "rc-1", "by": "R. Manager", "text": "no blockers", "required_boots": BOOTS}
    answer = refused("there is no report; to act: the testers", **wish)
    assert len(answer["excuses"]) == 8 and set(answer["excuses"][0]) == {"what", "why", "who"}
    refused("other bytes", **wish, verdicts=reports([str(BUILDS / "one/generic-x86_64/image.json")]))
    images = [str(BUILDS / "two" / f"{variant}-{architecture}/image.json") for variant, architecture in CELLS]
    refused("failed, no-kernel", **wish, verdicts=reports(images, said="fail", reason="no-kernel"))
    blessed = drop(**wish, verdicts=reports(images))
    assert blessed["changed"] and blessed["latest"] == "rc-1" == os.readlink(STREAM / "latest") and not blessed["excuses"]
    assert not drop(**wish, verdicts=reports(images))["changed"]
    final = {**wish, "label": "final", "source": "rc-1"}
    assert drop(flags=["--check"], **final)["changed"] and os.readlink(STREAM / "latest") == "rc-1"
    assert drop(**final)["latest"] == "final" == os.readlink(STREAM / "latest")
    assert not drop(**final)["changed"]
    for path in (STREAM / label).glob("*.qcow2"):
        assert path.samefile(STREAM / "final" / path.name)


def what_makes_no_sense_is_refused() -> None:
    """With one sentence each, and nothing changed."""
    refused("no name of a stream", stream="../x")
    refused("no address", base_url="ftp://repo.example.org/images")
    answer = refused("no address", base_url="https://user:secret@repo.example.org/images")
    assert "secret" not in answer["msg"]
    refused("one line", title="a\nb")
    refused("no fingerprint", signing_keys=["0123"])
    refused("no such file|No such file", images=[str(STATE / "image.json")])
    refused("none are named")
    refused("only an rc becomes final|has its final drop|no such drop", state="promoted", label="rc-9", source="20200101.1", by="R. Manager")
    refused("no secret key", images=build("three"), signing_keys=["0" * 40])
    refused("read certificate", images=build("three"), smime_certificate=str(KEYS / "endorser.key"))
    broken = build("broken")
    Path(broken[0]).with_name("cmd-cloud-generic-x86_64.ova").write_bytes(b"x" * (1 << 20))
    refused("not what image.json says", images=broken)


def a_mirror_of_another_user_stays_theirs() -> None:
    """Started as root, everything belongs to the user who owns the directory, as with the mirror beside it."""
    if os.geteuid():
        return
    theirs = Path(run(["mktemp", "-d", "/tmp/egi-image-drop-XXXXXX"]).strip())
    try:
        shutil.copytree(KEYS, theirs / "keys", ignore=shutil.ignore_patterns("S.*", ".#*"))
        shutil.copytree(BUILDS / "one", theirs / "one")
        (theirs / "images").mkdir()
        run(["chown", "-R", "daemon:daemon", theirs])
        answer = drop(directory=str(theirs / "images"), key_home=str(theirs / "keys"), smime_key=str(theirs / "keys/endorser.key"),
                      smime_certificate=str(theirs / "keys/endorser.pem"), images=[str(theirs / "one/generic-x86_64/image.json")])
        assert answer["changed"] and {path.owner() for path in (theirs / "images").rglob("*") if not path.is_symlink()} == {"daemon"}
    finally:
        shutil.rmtree(theirs)


def change(state: str, label: str, source: str, images: t.Sequence[str]) -> None:
    """One change, without Ansible around it: what is killed is the change."""
    package = "ansible_collections.egi.cmd.plugins.module_utils._image"
    parts = {name: importlib.import_module(f"{package}.{name}") for name in ("drop_change", "drop_signing", "drop_site")}
    keys = (fingerprint(),)
    signers = parts["drop_signing"].Signers(str(KEYS), keys, str(KEYS / "endorser.pem"), str(KEYS / "endorser.key"))
    site = parts["drop_site"].Site("cmd-os-1", "CMD-OS 1", URL, "", 30, keys, parts["drop_signing"].endorser(signers.certificate))
    wish = parts["drop_change"].Wish(state, label, source, tuple(images), (), (), "R. Manager", "")
    parts["drop_change"].run(str(SERVED), site, signers, wish, False)


def killed_at_any_moment_readers_see_whole_drops() -> None:
    """Twenty kills; a reader hashes whatever the indexes name meanwhile; the next run goes on as if nothing had been."""
    shutil.rmtree(SERVED)
    builds = [build(f"kill{number}", 4 << 20, formats=("qcow2", "ova")) for number in range(3)]
    command = [sys.executable, str(Path(__file__).resolve()), "change"]
    started = time.monotonic()
    run([*command, "present", "20261120.1", "", *builds[0]])
    usual = time.monotonic() - started
    reader = subprocess.Popen([sys.executable, str(HERE / "reader.py"), str(STREAM), str(STATE / "stop")], stdout=subprocess.PIPE, text=True)
    chance, cut, number = random.Random(6), 0, 2
    for kill in range(KILLS):
        arguments = ["present", f"20261120.{number}", "", *builds[number % 3]] if kill % 3 else ["promoted", f"alpha-{_next_alpha()}", "20261120.1"]
        doing = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            doing.wait(chance.uniform(0.2, 1.4) * usual)
        except subprocess.TimeoutExpired:
            doing.kill()
            doing.wait()
            cut += 1
        whole = {path.parent.name for path in STREAM.glob("*/drop.json")}
        assert whole == {path.parent.name for path in STREAM.glob("*/CHECKSUM")}
        number += f"20261120.{number}" in whole
    run([*command, "present", f"20261120.{number}", "", *builds[number % 3]])
    assert os.readlink(STREAM / "latest-scratch") == f"20261120.{number}"
    (STATE / "stop").touch()
    said, _nothing = reader.communicate(timeout=120)
    told = re.fullmatch(r"(\d+) rounds, (\d+) files, all of them as the indexes say\n", said)
    assert told, said
    left = sorted(os.listdir(SERVED / ".streams/cmd-os-1"))
    assert len(left) <= 5 and all(re.fullmatch(r"lock|[0-9]{8}", name) for name in left), left
    assert cut >= KILLS // 3 and int(told[1]) >= 3, f"{cut} of {KILLS} were cut short, a reader went round {told[1]} times"
    print(f"    {cut} of {KILLS} runs were cut short; the reader went round {told[1]} times and hashed {told[2]} files")


def _next_alpha() -> int:
    return 1 + len(list(STREAM.glob("alpha-*")))


def main() -> int:
    """Run every case; print what is wrong and a tally."""
    judges = importlib.import_module("judges")
    cases: t.List[t.Callable[[], None]] = [
        a_build_is_dropped, a_candidate_is_blessed_once_it_booted, *judges.cases(sys.modules[__name__]), what_makes_no_sense_is_refused,
        a_mirror_of_another_user_stays_theirs, killed_at_any_moment_readers_see_whole_drops,
    ]
    failed = skipped = 0
    for case in cases:
        started = time.monotonic()
        try:
            case()
            print(f"  ok    {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except judges.Skip as reason:
            skipped += 1
            print(f"  skip  {case.__name__}: {reason}", flush=True)
        except Exception:  # a case may fail in any way, and the others still run
            failed += 1
            print(f"  FAIL  {case.__name__}\n{traceback.format_exc()}", flush=True)
    subprocess.run(["gpgconf", "--homedir", str(KEYS), "--kill", "all"], check=False)
    print(f"{len(cases) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["change"]:
        change(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    else:
        sys.exit(main())
