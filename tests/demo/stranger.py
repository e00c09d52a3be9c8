# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/demo as a stranger runs it: what it shows is so, what it leaves is nothing, also when it is killed.

    tests/demo/run.sh [--moments N] [--seed N]

Needs root. Ends with one line ``N passed, N failed, N skipped``, and 1 when something failed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
STATE = TOP / ".demo"
DEMO = str(TOP / "bin/demo")
PATIENCE = 600.0  # seconds a whole run may take on a busy machine
MARK = "EGI_CMD_DEMO_TEST"
LATEST = 30.0  # seconds into a run at which it is killed at the latest
TABLE = """\
ea-apt    early_adopters  cmd-os-1  cloud-api     2.2-1~e1+cmd1   cmd-os-1-updates   2.3 failed, rolled back
ea-apt    early_adopters  cmd-os-1  cloud-client  3.1-1~e1+cmd1   cmd-os-1-proposed  passed
ea-apt    early_adopters  cmd-os-1  libcloud      0.9-1~e1+cmd1   cmd-os-1-holdback  passed
ea-dnf    early_adopters  cmd-os-1  cloud-api     2.2-1.el9~cmd1  cmd-os-1-updates   2.3 failed, rolled back
ea-dnf    early_adopters  cmd-os-1  cloud-client  3.1-1.el9~cmd1  cmd-os-1-proposed  passed
ea-dnf    early_adopters  cmd-os-1  libcloud      0.9-1.el9~cmd1  cmd-os-1-holdback  passed
prod-apt  production      cmd-os-1  cloud-api     2.2-1~e1+cmd1   cmd-os-1-updates   2.3 not attempted
prod-apt  production      cmd-os-1  cloud-client  3.0-1           base               -
prod-apt  production      cmd-os-1  libcloud      0.9-1~e1+cmd1   cmd-os-1-holdback  passed
prod-dnf  production      cmd-os-1  cloud-api     2.2-1.el9~cmd1  cmd-os-1-updates   2.3 not attempted
prod-dnf  production      cmd-os-1  cloud-client  3.0-1           base               -
prod-dnf  production      cmd-os-1  libcloud      0.9-1.el9~cmd1  cmd-os-1-holdback  passed
"""
HOLD_TABLE = """\
HOST      PACKAGE         BROKEN BASE  WHILE HELD  NOW    ORIGIN
ea-apt    libstorage      1.1-1        1.0-1       1.2-1  base
ea-apt    storage-client  1.0-1        1.1-1       1.1-1  base
ea-apt    site-tools      1.2-1        1.2-1       1.2-1  base
ea-dnf    libstorage      1.1-1        1.0-1       1.2-1  base
ea-dnf    storage-client  1.0-1        1.1-1       1.1-1  base
ea-dnf    site-tools      1.2-1        1.2-1       1.2-1  base
prod-apt  libstorage      1.0-1        1.0-1       1.2-1  base
prod-apt  storage-client  1.0-1        1.1-1       1.1-1  base
prod-apt  site-tools      1.0-1        1.2-1       1.2-1  base
prod-dnf  libstorage      1.0-1        1.0-1       1.2-1  base
prod-dnf  storage-client  1.0-1        1.1-1       1.1-1  base
prod-dnf  site-tools      1.0-1        1.2-1       1.2-1  base
"""
# In a mount namespace of its own every file system but the checkout, and what is no disk, becomes read-only.
SEAL = """
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
while read -r _ place kind _; do
    case $kind in proc | sysfs | devtmpfs | devpts | mqueue | cgroup*) continue ;; esac
    case $place in "$1" | "$1"/* | /proc/* | /sys/* | /dev | /dev/*) continue ;; esac
    mount -o remount,bind,ro "$place"
done </proc/self/mounts
shift
cd /
exec "$@"
"""


def environment(**more: str) -> dict[str, str]:
    """A stranger's: none of the runner's own settings, and a mark to find every process by."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LANG") if name in os.environ}
    return {**kept, MARK: "yes", **more}


def demo(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([DEMO, *arguments], cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE)
    return done.returncode, done.stdout


def processes() -> list[str]:
    """Living processes of a demonstration: marked, or rooted in one of its hosts."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            marked = f"{MARK}=".encode() in (process / "environ").read_bytes()
            rooted = os.readlink(process / "root").startswith(str(STATE))
            if (marked or rooted) and int(process.name) != os.getpid():
                found.append(f"{process.name} {(process / 'cmdline').read_bytes().replace(b'%c' % 0, b' ').decode()}")
    return found


def mounts() -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if f" {STATE}/" in line or f" {TOP}/.cache/" in line]


def assert_nothing_is_left(what: str) -> None:
    deadline = time.monotonic() + 10
    while (processes() or mounts()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes(), f"after {what} there still are {processes()}"
    assert not mounts(), f"after {what} there still are {mounts()}"


def package_configuration() -> str:
    """Digest of the machine's own apt and dnf configuration and package database."""
    digest = hashlib.sha256()
    for top in ("/etc/apt", "/etc/dnf", "/etc/yum.repos.d", "/var/lib/dpkg/status", "/var/lib/rpm"):
        for path in sorted([Path(top), *Path(top).rglob("*")]):
            if path.is_file():
                digest.update(f"{path} {path.stat().st_mode:o} {path.stat().st_mtime_ns} ".encode() + path.read_bytes())
    return digest.hexdigest()


def killed_at_any_moment(chance: random.Random, count: int, span: float) -> None:
    """One moment in each equal part of span seconds, so that every part of a run is met."""
    moments = [span / count * (number + chance.random()) + 0.05 for number in range(count)]
    print(f"        killed after {', '.join(f'{moment:.1f}' for moment in moments)} s", flush=True)
    for moment in moments:
        with subprocess.Popen([DEMO], cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as running:
            time.sleep(moment)
            assert running.poll() is None, f"the demonstration was over after {moment:.1f} s already"
            running.kill()
        assert_nothing_is_left(f"kill -9 {moment:.1f} s into it")


def ended_politely() -> None:
    forget_logs()
    with subprocess.Popen([DEMO], cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as running:
        wait_for_hosts()
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM, running.returncode
    assert_nothing_is_left("a termination")
    assert not (STATE / "hosts").exists(), "a terminated demonstration kept its hosts"


def ended_with_control_c() -> None:
    forget_logs()
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs this test may ignore it
        os.execvpe(DEMO, [DEMO], environment())
    ended = False
    try:
        wait_for_hosts()
        os.write(terminal, b"\x03")
        said, ended = read_to_the_end(child, terminal)
    finally:
        if not ended:
            os.kill(child, signal.SIGKILL)
    assert ended, f"Ctrl-C did not end it:\n{said}"
    assert "Traceback" not in said, said
    assert_nothing_is_left("Ctrl-C")
    assert not (STATE / "hosts").exists(), "an interrupted demonstration kept its hosts"


def read_to_the_end(child: int, terminal: int) -> tuple[str, bool]:
    """What a child says on its terminal for at most 30 seconds, and whether it ended."""
    said = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            with contextlib.suppress(OSError):
                said += os.read(terminal, 65536)
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return said.decode(errors="replace"), True
    return said.decode(errors="replace"), False


def forget_logs() -> None:
    shutil.rmtree(STATE / "log", ignore_errors=True)


def wait_for_hosts() -> None:
    """Wait until a demonstration publishes: its hosts are up then. Call forget_logs() before it starts."""
    deadline = time.monotonic() + 120
    while not (STATE / "log/publish-release.log").exists():
        assert time.monotonic() < deadline, "no session after two minutes"
        time.sleep(0.1)


def the_story_in_a_sealed_machine() -> None:
    """Everything but the checkout is read-only, so a write elsewhere would break the demonstration."""
    before = package_configuration()
    done = subprocess.run(["unshare", "--mount", "sh", "-c", SEAL, "seal", str(TOP), DEMO, "--keep"], env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    assert "Read-only file system" not in done.stdout, done.stdout
    shown = re.sub(r"^ +", "", done.stdout, flags=re.MULTILINE)
    for table in (TABLE, HOLD_TABLE):
        assert table in shown, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    assert "WARNING" not in done.stdout, done.stdout
    assert "\x1b[" not in done.stdout, "there is colour although this is no terminal"
    assert_nothing_is_left("a run")
    assert package_configuration() == before, "the machine's own package configuration changed"


def the_logs_have_no_warning() -> None:
    for log in sorted((STATE / "log").glob("*.log")):
        assert "[WARNING]" not in log.read_text(), f"{log} has warnings:\n{log.read_text()}"


def the_kept_hosts_are_as_shown() -> None:
    """Asked once more by other commands than those of the demonstration."""
    asked = {"ea-apt": ["dpkg", "-s", "cloud-client"], "prod-apt": ["dpkg", "-s", "cloud-client"],
             "ea-dnf": ["rpm", "-q", "cloud-client"], "prod-dnf": ["rpm", "-q", "cloud-client"]}
    expected = {"ea-apt": "Version: 3.1-1~e1+cmd1\n", "prod-apt": "Version: 3.0-1\n",
                "ea-dnf": "cloud-client-3.1-1.el9~cmd1.noarch\n", "prod-dnf": "cloud-client-3.0-1.noarch\n"}
    for host, command in asked.items():
        status, said = demo("--enter", host, "--", *command)
        assert (status, expected[host] in said) == (0, True), said
        status, said = demo("--enter", host, "--", "cloud-api", "--check")
        assert (status, said) == (0, "cloud-api 2.2: healthy\n"), said
        status, said = demo("--enter", host, "--", "storage-client", "--check")
        assert (status, said) == (0, "storage-client: the library works\n"), said
    status, said = demo("--enter", "repo", "--", "grep", "-c", '"lifted": "20', "/srv/desk/desk.json")
    assert (status, said) == (0, "1\n"), said
    assert demo("--enter", "repo", "--", "sh", "-c", "exit 7")[0] == 7
    status, said = demo("--enter", "prod-apt", "--", "apt-get", "update")
    assert (status, "cmd-os-1-updates InRelease" in said) == (0, True), said
    status, said = demo("--enter", "nowhere")
    assert (status, "there is no host nowhere" in said) == (1, True), said


def two_at_once_do_not_meet() -> None:
    with subprocess.Popen([DEMO, "--enter", "repo", "--", "sleep", "60"], env=environment(), stdin=subprocess.DEVNULL) as first:
        time.sleep(2)
        status, said = demo("--keep")
        first.terminate()
    assert (status, "another session uses the hosts" in said) == (1, True), said
    assert (STATE / "hosts/ea-apt").exists(), "the second one removed the hosts of the first"


def a_false_claim_ends_it() -> None:
    """The base distribution gets another cloud-api than the demonstration says; only this run sees the changed file."""
    content = TOP / "lab/content.py"
    changed = TOP / ".cache/test/demo-content.py"
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text(content.read_text().replace('("cloud-api", "2.5")', '("cloud-api", "2.6")'))
    replaced = f"mount --make-rprivate /; mount --bind {changed} {content}; exec {DEMO}"
    done = subprocess.run(["unshare", "--mount", "sh", "-euc", replaced], env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1, done.stdout
    assert "demo: this is not so for ea-apt: hosts run cloud-api 2.5 of the base distribution" in done.stdout, done.stdout
    assert "Everything above was checked" not in done.stdout, done.stdout


def clean_leaves_nothing() -> None:
    assert demo("--clean") == (0, "")
    assert not STATE.exists()


def main() -> int:
    parser = argparse.ArgumentParser(description="Test bin/demo.")
    parser.add_argument("--moments", type=int, default=10, help="how often a run is killed")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats the moments of an earlier test")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    took: dict[str, float] = {}

    def killed_again_and_again() -> None:
        killed_at_any_moment(chance, arguments.moments, min(LATEST, 0.8 * took[the_story_in_a_sealed_machine.__name__]))

    cases = (
        the_story_in_a_sealed_machine, the_logs_have_no_warning, the_kept_hosts_are_as_shown, two_at_once_do_not_meet,
        killed_again_and_again, ended_politely, ended_with_control_c, a_false_claim_ends_it, clean_leaves_nothing,
    )
    failed = 0
    for case in cases:
        began = time.monotonic()
        try:
            case()
            result = "ok    "
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed += 1
            result = f"FAILED  {error}\n       "
        took[case.__name__] = time.monotonic() - began
        print(f"{result}  {case.__name__} ({took[case.__name__]:.0f} s)", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
