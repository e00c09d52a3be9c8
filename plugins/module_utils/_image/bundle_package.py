# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Between bundles and OVF packages: the raw disk of a package, and the package of a raw disk, the disk the same byte for byte."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools, convert, ova, ovf_package
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_image import sha256
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_build import from_cell
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_files import replace

_SECTOR = 512
_MEMORY = 1024


@contextlib.contextmanager
def scratch(near: str) -> t.Iterator[str]:
    """A directory that goes away, on the file system of a path, where there is room for a disk."""
    folder = os.path.dirname(os.path.abspath(near))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".egi-cmd-bundle-", dir=folder) as work:
        yield work


def raw_disk(path: str, work: str) -> str:
    """The path of a raw disk: the path itself, or in work the only disk of an OVF package, which is judged first."""
    if not (os.path.isdir(path) or path.endswith((".ova", ".ovf"))):
        return path
    with ovf_package.Source(path) as source:
        package = ovf_package.inspect(source)
        envelope = ovf_package.require(package, path)
        names = {file.id: file.name for file in envelope.files}
        disks = [disk for disk in envelope.disks if disk.file]
        if len(disks) != 1:
            raise Failure(f"bundle {path}", f"it has {len(disks)} disks with content", "A bundle holds one: unpack it and bundle each")
        part = next(part for part in ovf_package.parts(source, package) if part.name == names[disks[0].file])
        replace(os.path.join(work, "disk.vmdk"), part.chunks())
    command = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", "disk.vmdk", "disk.raw"]
    build_tools.run(command, f"convert {part.name}", build_tools.environment(0, work), os.path.join(work, "log"), work)
    return os.path.join(work, "disk.raw")


def write_ova(target: str, raw: str, name: str, architecture: str, work: str, dry: bool) -> bool:
    """Make target the package of a raw disk, with hardware every kernel can drive; return whether it was anything else."""
    size, digest = os.stat(raw).st_size, sha256(raw)
    if size % _SECTOR:
        raise Failure(f"pack {name}", f"the image has {size} bytes, which is no disk: disks have sectors of {_SECTOR}", "Unbundle it with form=raw")
    disk = f"{name}.vmdk"
    convert.write(convert.Source(raw, digest, 0), "vmdk", os.path.join(work, disk), "", os.path.join(work, "log"))
    cell = {"name": name, "variant": "bundle", "release": "", "platform": "", "architecture": architecture,
            "disk": {"virtual_size": size, "minimum_memory": _MEMORY, "boot": ["bios"]}}
    content = ova.parts(name, from_cell(cell, disk), {disk: os.path.join(work, disk)})
    return ova.write(target, content, 0, dry)
