# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The files that an image has besides packages: how it starts, how it takes its configuration, what it says of itself. Pure."""

from __future__ import annotations

import io
import json
import tarfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell

Files = t.Dict[str, File]

RELEASE_FILE = "/etc/egi-cmd-image-release"
_DATASOURCES = {"generic": ("NoCloud", "ConfigDrive", "OpenNebula", "OVF", "Ec2", "None"), "ec2": ("Ec2", "None")}
_CONSOLES = {"aarch64": "console=tty0 console=ttyAMA0", "i686": "console=tty0 console=ttyS0,115200", "x86_64": "console=tty0 console=ttyS0,115200"}


def files(cell: Cell, digest: str) -> Files:
    """Return the files of a cell by path. digest: of its definition."""
    found = {RELEASE_FILE: File(_release(cell, digest).encode())}
    if cell.has_disk:
        found["/boot/grub/grub.cfg"] = File(_grub(cell).encode())
        found["/etc/fstab"] = File(f"LABEL={cell.definition.root_label} / ext4 defaults,errors=remount-ro 0 1\n".encode())
        found["/etc/cloud/cloud.cfg.d/90_egi_cmd.cfg"] = File(_cloud(cell).encode())
    return found


def _release(cell: Cell, digest: str) -> str:
    """os-release(5) syntax, so that a shell can read it."""
    one = cell.definition
    values = {
        "IMAGE_NAME": one.name, "IMAGE_VARIANT": cell.variant, "IMAGE_ARCHITECTURE": cell.architecture, "IMAGE_DEFINITION": f"sha256:{digest}",
        "RELEASE": str((one.release or {}).get("name", "")), "PLATFORM": one.platform, "SNAPSHOT": one.snapshot,
    }
    return "".join(f'{name}="{value}"\n' for name, value in values.items())


def _grub(cell: Cell) -> str:
    """Debian's kernels keep /vmlinuz and /initrd.img pointing at the newest one, so nothing has to write this file again."""
    entries = (("System", "/vmlinuz", "/initrd.img"), ("System, the kernel before", "/vmlinuz.old", "/initrd.img.old"))
    text = "set default=0\nset timeout=1\n"
    if cell.architecture != "aarch64":
        text += "serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n"
    for title, kernel, initrd in entries:
        text += (f"menuentry '{title}' {{\n  linux {kernel} root=LABEL={cell.definition.root_label} ro {_CONSOLES[cell.architecture]}\n"
                 f"  initrd {initrd}\n}}\n")
    return text


def _cloud(cell: Cell) -> str:
    """YAML, of which JSON is a part. cloud-init would write sources of its own, and fail where no locales are installed."""
    configuration: t.Dict[str, t.Any] = {
        "datasource_list": list(_DATASOURCES[cell.variant]), "apt": {"preserve_sources_list": True}, "locale": False,
    }
    return "# Written by egi.cmd image.\n" + "".join(f"{name}: {json.dumps(value)}\n" for name, value in configuration.items())


def archive(content: t.Mapping[str, File], epoch: int) -> bytes:
    """Return files as a tar, with the directories above them, all of root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        made: t.Set[str] = set()
        for path, file in sorted(content.items()):
            for end in (index for index, letter in enumerate(path) if letter == "/" and index):
                if path[:end] not in made:
                    made.add(path[:end])
                    _add(tar, path[:end], File(b"", 0o755), epoch, tarfile.DIRTYPE)
            _add(tar, path, file, epoch, tarfile.REGTYPE)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, file: File, epoch: int, kind: bytes) -> None:
    member = tarfile.TarInfo("." + path)
    member.mode, member.mtime, member.size, member.type = file.mode, epoch, len(file.content), kind
    tar.addfile(member, io.BytesIO(file.content))
