# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a console says about how far a machine got. Pure: text in, an opinion out."""

from __future__ import annotations

import re
import typing as t

# What firmware, boot loader, kernel and first programs print; each later one means that all before it worked.
STAGES = ("nothing", "firmware", "bootloader", "kernel", "userspace")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|.)|[\r\0]")

_SPOKE = {
    "firmware": re.compile(r"SeaBIOS \(version|BdsDxe:|EDK II|UEFI firmware"),
    # BdsDxe says so when it starts what it found; the BIOS knows only that it jumped into a boot sector.
    "bootloader": re.compile(r"GRUB|SYSLINUX|ISOLINUX|EXTLINUX|systemd-boot|BdsDxe: starting Boot"),
    "kernel": re.compile(r"^(?:\[ *\d+\.\d{6}\]|Linux version \d|EFI stub: )", re.MULTILINE),
    "userspace": re.compile(r"Welcome to .*!|^Begin: |\bsystemd\[1\]: |\[  OK  \]|Cloud-init v\. |^\S+ login:", re.MULTILINE),
}
# The first that is found says why there is nothing to wait for.
_ENDS = (
    ("no-root", re.compile(r"ALERT! +\S+ does not exist|VFS: Unable to mount root fs.*|VFS: Cannot open root device.*|Warning: /dev/\S+ does not exist")),
    ("no-root", re.compile(r"Gave up waiting for (?:the )?root [^.\n]*|dracut-initqueue.*[Tt]imeout.*")),
    ("panic", re.compile(r"Kernel panic - not syncing.*|You are in emergency mode.*|Entering emergency mode.*")),
)
# The same before a kernel has spoken: its messages could look like these.
_EARLY_ENDS = (
    ("no-kernel", re.compile(r"(?:error: .*\n\s*)*error: you need to load the kernel first.*|grub rescue>|^grub>.*|Failed to (?:open|load) .*vmlinuz.*"
                             r"|Could not find kernel image.*", re.MULTILINE)),
    ("no-bootloader", re.compile(r"No bootable device.*|BdsDxe: No bootable option.*|UEFI Interactive Shell.*|^Shell>.*"
                                 r"|GRUB (?:Geom|Hard Disk|Read) Error.*", re.MULTILINE)),
)
_FINISHED = re.compile(r"Cloud-init v\. (\S+) finished at .*?Datasource (\S+)")
# On a machine so busy that the serial port's device is late, the first has no prompt, and still is up.
_UP = re.compile(r"^\S+ login:|Reached target .*(?:multi-user\.target|Multi-User System)", re.MULTILINE)
_CLOUD_INIT = re.compile(r"[Cc]loud-init")


class Sight(t.NamedTuple):
    """An opinion. end, line: the reason there is nothing to wait for, and what says so. datasource: what cloud-init finished with.
    up: a login is offered, or could be; cloud_init: it was heard of."""

    stage: str
    end: str = ""
    line: str = ""
    datasource: str = ""
    up: bool = False
    cloud_init: bool = False


def plain(text: str) -> str:
    """Text without the terminal's escapes."""
    return _ESCAPES.sub("", text)


def seen(firmware: str, console: str) -> Sight:
    """What the firmware's own log and the serial console (both ``plain``) tell so far."""
    stage = "nothing"
    for name, pattern in _SPOKE.items():
        if pattern.search(console) or (name == "firmware" and (pattern.search(firmware) or firmware.strip())):
            stage = name
    end, line = _end(firmware, console, STAGES.index(stage) >= STAGES.index("kernel"))
    finished = _FINISHED.search(console)
    return Sight(stage, end, line, finished[2] if finished else "", bool(_UP.search(console)), bool(_CLOUD_INIT.search(console)))


def silence(stage: str) -> str:
    """The reason, for a machine that stopped talking before a kernel did."""
    return {"nothing": "no-firmware", "firmware": "no-bootloader", "bootloader": "no-kernel"}.get(stage, "timeout")


def last_lines(text: str, number: int = 3) -> str:
    """The end of a console, for a message."""
    lines = [line.strip() for line in plain(text).split("\n") if line.strip()]
    return " | ".join(lines[-number:])[-400:]


def _end(firmware: str, console: str, kernel: bool) -> t.Tuple[str, str]:
    for reason, pattern in _ENDS if kernel else _EARLY_ENDS:
        found = pattern.search(console) or (pattern.search(firmware) if not kernel else None)
        if found:
            return reason, " ".join(found[0].split())
    return "", ""
