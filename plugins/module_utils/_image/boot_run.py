# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A boot, from a seed of its own to a verdict: one machine at a time, watched until it says enough or says nothing."""

from __future__ import annotations

import datetime
import inspect
import json
import os
import secrets
import shlex
import subprocess
import sys
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import boot_console, boot_judge, boot_probe, boot_record, boot_serve, qemu, seed, seed_files
from ansible_collections.egi.cmd.plugins.module_utils._image.boot_request import DATASOURCES, Boot, sha256
from ansible_collections.egi.cmd.plugins.module_utils._image.seed_place import disc, put_directory

_GROWTH = 4 << 30  # bytes more than the image has, for the root file system to grow into
_LOOK = 0.5  # seconds between two looks at a console
_SETTLE = 3.0  # from a line that ends a boot to the one that says why
# Without a word from a kernel: KVM may open and then hang (measured: a software KVM stopped after two lines of the BIOS).
_KERNEL = {"kvm": 15.0, "tcg": 180.0}
_QUIET_UP = 20.0  # from being up until cloud-init is not waited for any more
_REPORT = 150.0  # from cloud-init's end to the report; emulated, a list of packages takes a while
_INSTALL = 600  # what update and install may take more
_POWER_OFF = 90.0
_RESULT = 600  # seconds the guest itself waits for cloud-init's end


class Ending(t.NamedTuple):
    """Why a machine is not watched any more: reason booted with the report if it gave one, else what is wrong."""

    reason: str
    why: str
    report: t.Optional[t.Dict[str, str]] = None


class Try(t.NamedTuple):
    """What one accelerator made of a boot."""

    verdict: str
    reason: str
    why: str
    checks: t.List[boot_judge.Check]
    console: str
    screen: bytes
    seconds: float
    kernel: bool


def run(boot: Boot, shelf: boot_record.Shelf, accelerator: str) -> boot_record.Verdict:
    """Boot, judge, and keep the verdict. accelerator: kvm, tcg, or auto, which judges KVM by what guests achieve with it."""
    host = boot_record.host(qemu.version(boot.architecture, [boot.firmware]))
    known = shelf.accelerators(host).get("kvm", "" if os.access("/dev/kvm", os.R_OK | os.W_OK) else "absent")
    order = {"auto": ["kvm", "tcg"] if known in ("", "proven") else ["tcg"]}.get(accelerator, [accelerator])
    disk_digest = _disk_digest(boot, shelf)
    with shelf.workplace() as work:
        done, used = _attempt(boot, work, order[0]), order[0]
    if accelerator == "auto" and used == "kvm":
        if done.verdict == "pass":
            shelf.remember(host, "kvm", "proven")
        elif known != "proven" or not done.kernel:
            # Nothing has ever passed with it: what failed may be the accelerator.
            first = done
            with shelf.workplace() as work:
                done, used = _attempt(boot, work, "tcg"), "tcg"
            if (done.kernel and not first.kernel) or done.verdict == "pass":
                shelf.remember(host, "kvm", "unusable")
    verdict = {
        "schema": 1, "image": {"name": os.path.basename(boot.image), "sha256": boot.sha256}, "disk_sha256": disk_digest, "firmware": boot.firmware,
        "transport": boot.transport, "accelerator": used, "verdict": done.verdict, "reason": done.reason, "why": done.why,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in done.checks],
        "seconds": round(done.seconds, 1), "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return shelf.keep(boot, verdict, done.console, done.screen)


def _disk_digest(boot: Boot, shelf: boot_record.Shelf) -> str:
    """SHA-256 of the disk in the image, which other forms of the same image share."""
    if boot.kind == "raw":
        return boot.sha256
    with shelf.workplace() as work:
        path = os.path.join(work, "disk")
        qemu.raw(boot.image, boot.kind, path)
        return sha256(path)


def _attempt(boot: Boot, work: str, accelerator: str) -> Try:
    """One machine, to its end. What goes wrong on this side is nobody's verdict."""
    nonce = f"egi{secrets.token_hex(6)}"
    size = -(-qemu.virtual_size(boot.image, boot.kind) // 512) * 512 + _GROWTH
    begun = time.monotonic()
    try:
        plan = _plan(boot, work, nonce, size)
        with qemu.Machine(plan, accelerator) as machine:
            ending = _watch(machine, boot, nonce, accelerator)
            screen = boot_record.png(machine.screenshot())
            off = ending.reason == "booted" and _powered_off(machine, boot.transport == "none")
            console, firmware = machine.console(), machine.firmware()
    except (OSError, subprocess.SubprocessError) as error:
        return Try("inconclusive", "tester-error", f"{error}", [], "", b"", time.monotonic() - begun, False)
    kernel = boot_console.STAGES.index(boot_console.seen("", boot_console.plain(console)).stage) >= boot_console.STAGES.index("kernel")
    verdict, reason, why, found = _judged(boot, nonce, size, ending, off)
    said = f"--- firmware ---\n{boot_console.plain(firmware)}\n--- console ---\n{boot_console.plain(console)}"
    return Try(verdict, reason, why, found, said, screen, time.monotonic() - begun, kernel)


def _judged(boot: Boot, nonce: str, size: int, ending: Ending, off: bool) -> t.Tuple[str, str, str, t.List[boot_judge.Check]]:
    if ending.reason != "booted":
        # What the image cannot be blamed for is not its failure.
        verdict = "inconclusive" if ending.reason in ("tester-error", "no-firmware") else "fail"
        return verdict, ending.reason, ending.why, []
    if ending.report is None:
        found = [boot_judge.Check("up", True, ending.why), boot_judge.Check("power-off", off, "by the power button")]
    else:
        found = boot_judge.checks(boot, ending.report, nonce, size, off)
    return (*boot_judge.verdict(found), found)


def _plan(boot: Boot, work: str, nonce: str, size: int) -> qemu.Plan:
    disk = os.path.join(work, "disk.qcow2")
    qemu.layer(boot.image, boot.kind, size, disk)
    image, metadata = "", ""
    if boot.transport != "none":
        probe = boot_probe.script(nonce, qemu.server(boot.transport), [host for host, _path in boot.mirror], boot.expect.install,
                                  [name for name, _number in boot.expect.priorities], _RESULT)
        told = seed.of({"hostname": nonce, "instance_id": f"i-{nonce}", "user_data": [*boot.user_data, probe]})
        files = seed_files.files(told, boot.transport)
        if boot.transport == "ec2":
            tree = os.path.join(work, "metadata")
            put_directory(tree, files)
            metadata = _server(work, "metadata.json", {"metadata": tree})
        else:
            image = os.path.join(work, "seed.iso")
            with open(image, "wb") as file:
                file.write(disc(files, seed_files.LABELS[boot.transport], 0))
    mirror = _server(work, "mirror.json", {"hosts": dict(boot.mirror)}) if boot.mirror else ""
    return qemu.Plan(boot.architecture, boot.firmware, boot.transport, boot.memory, boot.cpu, disk, image, metadata, mirror, work)


def _server(work: str, name: str, settings: t.Mapping[str, t.Any]) -> str:
    """The command that answers one connection. A module has no files on the host it runs on, so the program is written out."""
    program, told = os.path.join(work, "serve.py"), os.path.join(work, name)
    with open(program, "w", encoding="utf-8") as file:
        file.write(inspect.getsource(boot_serve))
    with open(told, "w", encoding="utf-8") as file:
        json.dump(settings, file)
    return " ".join(map(shlex.quote, (sys.executable, "-I", "-S", program, told)))


def _watch(machine: qemu.Machine, boot: Boot, nonce: str, accelerator: str) -> Ending:
    """Look at the console until it is clear how the boot goes."""
    begun = time.monotonic()
    since: t.Dict[str, float] = {}  # what was seen first at what time
    limit = boot.timeout + (_INSTALL if boot.mirror else 0)
    while True:
        status = machine.ended()
        firmware, console, sight = _seen(machine)
        if sight.end:
            time.sleep(_SETTLE)
            firmware, console, sight = _seen(machine)
        now = time.monotonic()
        report = boot_probe.extracted(console, nonce)
        if report is not None:
            return Ending("booted", "it reported", report)
        ending = _clear(sight, boot, console, nonce) or (_gone(machine, sight, status, console) if status is not None else None)
        if ending:
            return ending
        if sight.up:
            since.setdefault("up", now)
            if boot.transport == "none":
                return Ending("booted", "it is up")
            if not sight.cloud_init and now - since["up"] > _QUIET_UP:
                return Ending("no-datasource", "it is up and cloud-init did not run: it saw no data source that the image looks for")
        if sight.datasource and now - since.setdefault("finished", now) > _REPORT + (_INSTALL if boot.mirror else 0):
            return Ending("timeout", f"cloud-init finished with {sight.datasource}, and no report followed")
        if boot_console.STAGES.index(sight.stage) < boot_console.STAGES.index("kernel") and now - begun > min(_KERNEL[accelerator], limit):
            return Ending(boot_console.silence(sight.stage), f"no kernel spoke; the last words were: {boot_console.last_lines(console or firmware) or 'none'}")
        if now - begun > limit:
            return Ending("timeout", f"{limit} seconds were over; the last words were: {boot_console.last_lines(console) or 'none'}")
        time.sleep(_LOOK)


def _seen(machine: qemu.Machine) -> t.Tuple[str, str, boot_console.Sight]:
    firmware, console = boot_console.plain(machine.firmware()), boot_console.plain(machine.console())
    return firmware, console, boot_console.seen(firmware, console)


def _clear(sight: boot_console.Sight, boot: Boot, console: str, nonce: str) -> t.Optional[Ending]:
    """What needs no waiting."""
    if sight.end:
        return Ending(sight.end, sight.line)
    wanted = DATASOURCES[boot.transport]
    if sight.datasource and wanted and not sight.datasource.startswith(wanted):
        reason = "no-datasource" if sight.datasource.startswith("DataSourceNone") else "wrong-datasource"
        return Ending(reason, f"cloud-init finished with {sight.datasource}, wanted {wanted}")
    if boot_probe.copies(console, nonce) > 1:
        return Ending("tester-error", "both copies of the report were damaged on the console")
    return None


def _gone(machine: qemu.Machine, sight: boot_console.Sight, status: int, console: str) -> Ending:
    """Why a machine is gone before it reported."""
    why = machine.shut_down()
    if not why:
        return Ending("tester-error", f"QEMU ended with status {status}: {boot_console.last_lines(machine.words()) or 'it said nothing'}")
    if boot_console.STAGES.index(sight.stage) < boot_console.STAGES.index("kernel"):
        return Ending(boot_console.silence(sight.stage), f"the machine went off ({why}) before a kernel spoke")
    if why == "guest-shutdown":
        return Ending("check-failed", f"it powered itself off before it reported; the last words were: {boot_console.last_lines(console)}")
    return Ending("panic", f"the machine was reset ({why}); the last words were: {boot_console.last_lines(console)}")


def _powered_off(machine: qemu.Machine, ask: bool) -> bool:
    """Whether the guest ends by itself, after the power button was pressed if asked."""
    until = time.monotonic() + _POWER_OFF
    if ask:
        machine.press_power_button()
    while machine.ended() is None and time.monotonic() < until:
        time.sleep(_LOOK)
    return machine.shut_down() == "guest-shutdown"


def require(plans: t.Sequence[Boot]) -> None:
    """Refuse early what no boot could do without."""
    for boot in plans:
        qemu.version(boot.architecture, [boot.firmware])
        if qemu.virtual_size(boot.image, boot.kind) < 512:
            raise Failure(f"boot {boot.image}", "there is no disk in it", "Check the file and its format")
