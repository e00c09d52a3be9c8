#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""egi.cmd.system_test and the playbook egi.cmd.system_test on real roots of both families; runs inside a lab session.

The base offers eight updates, of which one breaks the product: not the product's own package, but a library it needs.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(TOP), *os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":")]
packages = importlib.import_module("lab.packages")
hold = importlib.import_module("ansible_collections.egi.cmd.plugins.module_utils._promotion.hold")

ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
SRV, ON_DISK = ROOTS["repo"] / "srv", Path(os.environ["LAB_STATE"]) / "trials"
KEYS, BASES, TESTS, BUILT, LOGS = SRV / "keys", SRV / "bases", SRV / "tests", SRV / "built", SRV / "logs"
FAMILIES = {"deb": "apt1", "rpm": "dnf1"}
OTHERS = ("cloud-client", "site-tools", "site-logs", "site-shell", "site-mail", "site-time")
BROKEN = "#!/bin/sh\necho 'libcloud: connection lost' >&2\nexit 1\n"
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,), **environment: str) -> str:
    """Run a program of this machine; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=600,
                          env={**os.environ, **environment})
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def called(name: str, **arguments: t.Any) -> t.List[str]:
    """The command that calls a module on this machine."""
    return ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}",
            "-m", f"egi.cmd.{name}", "-a", json.dumps(arguments)]


def module(name: str, good: bool = True, **arguments: t.Any) -> Answer:
    """Call a module; return what it returns."""
    text = run(called(name, **arguments), good=(0,) if good else (2,), ANSIBLE_NOCOLOR="1")
    assert "Traceback" not in text, text
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    return answer


def key() -> str:
    """The fingerprint of the base distribution's key, which is made on first use."""
    gpg = ["gpg", "--homedir", str(KEYS), "--batch", "--quiet"]
    KEYS.mkdir(mode=0o700, exist_ok=True)
    if not (SRV / "base.asc").exists():
        run([*gpg, "--passphrase", "", "--quick-generate-key", "Base <release@base.example.org>", "rsa3072", "sign", "never"])
        run([*gpg, "--armor", "--output", str(SRV / "base.asc"), "--export"])
    return next(line.split(":")[9] for line in run([*gpg, "--with-colons", "--list-keys"]).splitlines() if line.startswith("fpr:"))


def package(form: str, name: str, version: str, *needs: str, program: str = "", script: str = "") -> t.Any:
    """A package of the base. needs: name, or name with the lowest version after a blank. program: what it has as a program."""
    word = "{0} (>= {1})" if form == "deb" else "{0} >= {1}"
    depends = tuple(word.format(*need.split()) if " " in need else need for need in needs)
    files = [(f"/usr/share/{name}/version", packages.File(f"{version}\n"))]
    if program:
        files.append((f"/usr/bin/{name}", packages.File(program, 0o755)))
    return packages.Package(form, name, version, "1", tuple(files), depends, (), script)


def publish(form: str, channel: str, wanted: t.Sequence[t.Any]) -> None:
    """Let the base offer packages in a channel."""
    incoming = BUILT / form / channel
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    for one, place in packages.build(wanted, ROOTS["repo"], TOP / ".cache/lab/packages").items():
        shutil.copyfile(place, incoming / one.file_name)
    if form == "rpm":
        names = " ".join(f"/srv/built/{form}/{channel}/{one.file_name}" for one in wanted)
        sign = f"rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name {key()}' --addsign {names}"
        packages.run_inside(ROOTS["repo"], sign, "sign the rpm packages", GNUPGHOME="/srv/keys")
    content = {"suites": [{"name": channel, "components": {"main": [str(incoming)]}}]} if form == "deb" \
        else {"repositories": [{"path": channel, "packages": [str(incoming)]}]}
    module("repository", path=str(BASES / form / channel), format=form, origin="Example OS", architectures=["amd64" if form == "deb" else "x86_64"],
           key_home=str(KEYS), signing_keys=[key()], key_name="base", contents=False, **content)


def repository(form: str, channel: str) -> Answer:
    """A channel as trials use it."""
    top = f"file://{BASES / form / channel}"
    place: Answer = {"uris": [top], "suite": channel, "components": ["main"], "origin": "Example OS"} if form == "deb" else {"baseurl": [f"{top}/{channel}"]}
    return {"name": channel, "keys": [{"file": str(SRV / "base.asc"), "fingerprint": key()}], **place}


def arguments(form: str, channel: str, **changes: t.Any) -> Answer:
    """What a system test of a channel is told."""
    return {
        "root": str(ROOTS[FAMILIES[form]]), "platform": f"{form}-platform", "directories": [str(BASES), str(TESTS)],
        "repositories": [repository(form, "os")], "pending": [repository(form, channel)], "packages": list(OTHERS),
        "test": [str(TESTS / "cloud"), "--quick"], "test_timeout": 60, "log_path": str(LOGS / form / channel), "work_path": str(ON_DISK), **changes,
    }


def ship(form: str) -> None:
    """The base, and its channels: updates breaks the product, proposed does not, scripts has a package whose script fails."""
    def old(name: str, *needs: str, program: str = "") -> t.Any:
        return package(form, name, "1.0", *needs, program=program)

    good = "#!/bin/sh\nexit 0\n"
    publish(form, "os", [old("libcloud", program=good), old("cloud-api", "libcloud"), old("cloud-client", "cloud-api"), *(old(name) for name in OTHERS[1:])])
    new = [package(form, name, "1.1") for name in OTHERS[1:]]
    client = package(form, "cloud-client", "1.1", "cloud-api 1.1")
    api = package(form, "cloud-api", "1.1", "libcloud 1.1")
    publish(form, "updates", [*new, client, api, package(form, "libcloud", "1.1", "site-new", program=BROKEN), package(form, "site-new", "1.0")])
    publish(form, "proposed", [*new, client, api, package(form, "libcloud", "1.1", program=good)])


def test_program(text: str) -> None:
    """The product's own test."""
    TESTS.mkdir(parents=True, exist_ok=True)
    (TESTS / "cloud").write_text(f"#!/bin/sh\n{text}\n")
    (TESTS / "cloud").chmod(0o755)


def left() -> t.Optional[str]:
    """A process of a trial, or one that sees a mount of one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, mounts = (process / "cmdline").read_text(), (process / "mountinfo").read_text()
        except OSError:
            continue
        if "egi-cmd-trials" in command + mounts:
            return command
    return None


def the_broken_library_is_found() -> None:
    """One of eight, within few trials; its followers are not blamed, and the hold is one that egi.cmd.holdback takes."""
    test_program("[ \"$1\" = --quick ] || exit 3\nip route 2>/dev/null | grep -q . && exit 4\n/usr/bin/libcloud")
    for form in FAMILIES:
        answer = module("system_test", **arguments(form, "updates"))
        assert answer["verdict"] == "fail" and not answer["changed"], answer
        assert answer["culprits"] == [{"package": "libcloud", "good": "1.0-1", "bad": "1.1-1"}], answer["culprits"]
        assert len(answer["updates"]) == 8, answer["updates"]
        assert len(answer["trials"]) <= 12, [trial["asked"] for trial in answer["trials"]]
        assert all(trial["outcome"] == "pass" for trial in answer["trials"] if not trial["asked"])
        (report,), (proposed,) = answer["reports"], answer["holds"]
        for part in ("connection lost", "libcloud  1.0-1 -> 1.1-1", "site-new  not installed -> 1.0-1", "To reproduce"):
            assert part in report["text"], report["text"]
        assert f"{form}-platform" in proposed["platforms"] and "cloud-api" not in report["title"]
        declared = {**proposed, "link": "https://bugs.example.org/1", "expires": "2026-12-20", "by": "A. Packager"}
        hold.read(declared, {f"{form}-platform": form}, datetime.date(2026, 11, 20))
        assert any("connection lost" in Path(trial["log"]).read_text() for trial in answer["trials"])
        assert not (ROOTS[FAMILIES[form]] / "usr/share/libcloud").exists(), "the base root is as it was"
        assert left() is None
        assert [path.name for path in (ON_DISK / "egi-cmd-trials").iterdir()] == ["lock"]


def good_updates_pass() -> None:
    """Two trials are enough."""
    for form in FAMILIES:
        answer = module("system_test", **arguments(form, "proposed"))
        assert (answer["verdict"], answer["culprits"], answer["reports"]) == ("pass", [], []) and len(answer["trials"]) == 2, answer


def chosen_updates_only() -> None:
    """Without the guilty one the test passes; a name that is no update is refused."""
    answer = module("system_test", **arguments("deb", "updates", updates=["site-tools", "site-mail"]))
    assert answer["verdict"] == "pass" and len(answer["updates"]) == 2, answer
    for form in FAMILIES:
        message = module("system_test", False, **arguments(form, "updates", updates=["site-new", "site-mail"]))["msg"]
        assert "no update of site-new is pending" in message, message
    assert "no-such" in module("system_test", False, **arguments("deb", "updates", updates=["no-such", "site-mail"]))["msg"]


def updates_that_cannot_be_installed() -> None:
    """One whose script fails breaks the product, too. One that lacks something is told by dnf; apt keeps it back, as on hosts."""
    lacking = package("deb", "site-time", "1.2", "none")
    publish("deb", "scripts", [package("deb", "site-tools", "1.2"), package("deb", "site-mail", "1.2", script="exit 1"), lacking])
    answer = module("system_test", **arguments("deb", "scripts"))
    assert answer["verdict"] == "fail" and len(answer["updates"]) == 2, answer
    assert answer["culprits"] == [{"package": "site-mail", "good": "1.0-1", "bad": "1.2-1"}], answer
    assert "the installation ended with" in answer["reports"][0]["title"], answer["reports"]
    publish("rpm", "scripts", [package("rpm", "site-tools", "1.2"), package("rpm", "site-time", "1.2", "none")])
    assert "nothing provides none" in module("system_test", False, **arguments("rpm", "scripts"))["msg"]


def no_verdict_without_grounds() -> None:
    """A test that fails without the updates, that does not end, and one that is flaky."""
    test_program("exit 1")
    answer = module("system_test", **arguments("deb", "updates"))
    assert answer["verdict"] == "inconclusive" and "fails without the updates" in answer["why"] and len(answer["trials"]) == 1, answer
    test_program("sleep 300 & sleep 300")
    answer = module("system_test", **arguments("deb", "updates", test_timeout=1))
    assert answer["trials"][0]["why"] == "the test did not end within 1 seconds", answer
    assert left() is None
    # Nothing outlives a trial inside a root, so the flaky test counts the runs by the logs that this machine has of them.
    test_program(f"[ $(ls {LOGS}/deb/updates | grep -c trial) -ne 2 ]")
    answer = module("system_test", **arguments("deb", "updates", directories=[str(BASES), str(TESTS), str(LOGS)]))
    assert answer["verdict"] == "inconclusive" and "flaky" in answer["why"], answer


def what_is_refused() -> None:
    """Each with one readable message."""
    test_program("/usr/bin/libcloud")
    strange, linked = SRV / "strange", SRV / "linked"
    (strange / "egi-cmd-trials").mkdir(parents=True)
    os.chown(strange / "egi-cmd-trials", 1, 1)
    for path in ("bin", "etc", "dev", "proc"):
        (linked / path).mkdir(parents=True)
    for path in ("bin/sh", "etc/os-release"):
        (linked / path).write_text("")
    (linked / BASES.parts[1]).symlink_to("/")
    web = {**repository("deb", "os"), "uris": ["http://os.example.org/"]}
    for change, why in (
        ({"repositories": [web]}, "trials have no network"), ({"directories": [str(TESTS)]}, "which trials cannot see"),
        ({"root": str(TESTS)}, "it has no /bin/sh"),
        ({"root": str(SRV / "none.tar")}, "none.tar"), ({"test": []}, "test is empty"), ({"packages": ["no-such-package"]}, "no-such-package"),
        ({"attempts": 0}, "it is 0"), ({"pending": [{**repository("deb", "updates"), "sweet": 1}]}, "no field 'sweet'"),
        ({"work_path": str(strange)}, "only root writes to"), ({"root": str(linked)}, "goes through a link in the root"),
        ({"directories": ["/no/such"]}, "/no/such is no directory"), ({"pending": []}, "it has no repositories"),
        ({"repositories": [{**repository("deb", "os"), "suite": "other"}]}, "other"),
    ):
        message = module("system_test", False, **arguments("deb", "updates", **change))["msg"]
        assert why in message and message.startswith("Failed to "), message
    assert left() is None


def the_playbook_tells_and_stops() -> None:
    """Channel by channel, results in files, and an error at the end."""
    reports = SRV / "reports"
    channels = [{**arguments("deb", channel), "name": channel} for channel in ("updates", "proposed")]
    variables = {"system_test_channels": channels, "system_test_report_dir": str(reports), "ansible_python_interpreter": sys.executable}
    (SRV / "variables.json").write_text(json.dumps(variables))
    play = ["ansible-playbook", "-i", "localhost,", "-c", "local", "egi.cmd.system_test", "-e", f"@{SRV}/variables.json"]
    text = run(play, good=(2,), ANSIBLE_NOCOLOR="1")
    assert "Not good: updates." in text and "the test fails with libcloud" in text, text
    results = {channel: json.loads((reports / channel / "result.json").read_text()) for channel in ("updates", "proposed")}
    assert {channel: result["verdict"] for channel, result in results.items()} == {"updates": "fail", "proposed": "pass"}, results
    assert "connection lost" in (reports / "updates/regression.txt").read_text() and (reports / "proposed/regression.txt").read_text() == ""
    run([*play, "-e", '{"system_test_channels": []}'], good=(2,))


def a_tarball_and_copies() -> None:
    """A root from a tarball, in a directory that overlayfs cannot write to because it is in an overlay itself."""
    tarball = SRV / "root.tar"
    run(["tar", "--create", "--one-file-system", "--file", str(tarball), "--directory", str(ROOTS["apt1"]), "."])
    answer = module("system_test", **arguments("deb", "proposed", root=str(tarball), work_path=str(SRV)))
    assert answer["verdict"] == "pass" and len(answer["updates"]) == 8, answer


def worker() -> t.Optional[int]:
    """The process that is making trials: it holds the lock."""
    for place in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(place) == str(ON_DISK / "egi-cmd-trials/lock"):
                return int(place.parts[2])
        except OSError:
            continue
    return None


def until(found: t.Callable[[], t.Any], seconds: float = 20) -> t.Any:
    """What a function finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"{found.__name__} found nothing"
        time.sleep(0.05)
    return answer


def killed_at_any_moment() -> None:
    """kill -9 leaves nothing that runs or is mounted, and the next run tidies up and works."""
    test_program("sleep 1; /usr/bin/libcloud")
    for delay in (0.2, 1.5, 3.0, 5.0):
        process = subprocess.Popen(called("system_test", **arguments("deb", "updates")), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        victim = until(worker)
        time.sleep(delay)
        os.kill(victim, signal.SIGKILL)
        assert process.wait(30) != 0
        # The kernel needs a moment to end what was in the namespaces.
        until(lambda: left() is None, 5)
        assert {path.name for path in (ON_DISK / "egi-cmd-trials").iterdir()} > {"lock"}, "there was something to tidy up"
    answer = module("system_test", **arguments("deb", "updates", updates=["libcloud"]))
    assert answer["verdict"] == "fail", answer
    assert [path.name for path in (ON_DISK / "egi-cmd-trials").iterdir()] == ["lock"]


STORY = (the_broken_library_is_found, good_updates_pass, chosen_updates_only, updates_that_cannot_be_installed, the_playbook_tells_and_stops,
         no_verdict_without_grounds, what_is_refused, a_tarball_and_copies, killed_at_any_moment)


def main() -> int:
    """Tell the story; each part stands on its own."""
    for form in FAMILIES:
        ship(form)
    failed = 0
    for part in STORY:
        print(f"{part.__name__.replace('_', ' ')} ...", flush=True)
        try:
            part()
        except Exception:  # pylint: disable=broad-exception-caught
            traceback.print_exc()
            failed += 1
    print(f"{len(STORY) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
