# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small disk of Debian that boots with BIOS and UEFI, made without a mount, and ways to break it.

It is made here, and not by egi.cmd.image, so that a tester is not tested with its own builder's habits.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import typing as t
from pathlib import Path

_PACKAGES = ("linux-image-cloud-amd64", "systemd-sysv", "dbus", "udev", "iproute2", "ifupdown", "isc-dhcp-client", "cloud-init", "sudo", "netbase", "e2fsprogs",
             "cloud-guest-utils", "fdisk", "initramfs-tools")
_GRUB = ("part_gpt", "ext2", "search", "search_label", "configfile", "normal", "linux", "serial", "terminal", "echo", "test", "boot", "gzio")
_EARLY = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --label cloudroot --set=root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
"""
_CONFIGURATION = """\
set timeout=0
menuentry linux {{
 linux /vmlinuz {arguments} console=tty0 console=ttyS0
 initrd /initrd.img
}}
"""
_GOOD = "root=LABEL=cloudroot ro"
_MIB = 1 << 20
_CORE, _ESP, _ROOT, _SIZE = 1, 2, 34, 784  # where the partitions begin, and the disk's size, in MiB


def run(*command: str, **more: t.Any) -> str:
    """Run a program; return its standard output."""
    done = subprocess.run(command, stdin=None if "input" in more else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=900, **more)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(work: Path, overlay: t.Mapping[str, str]) -> Path:
    """The good disk, raw. overlay: further files, by their path in the root."""
    root, disk = work / "root", work / "good.raw"
    tree = work / "overlay"
    files = {"etc/fstab": "LABEL=cloudroot / ext4 defaults 0 1\n", "etc/cloud/cloud.cfg.d/90-image.cfg": "locale: false\n",
             "boot/grub/grub.cfg": _CONFIGURATION.format(arguments=_GOOD), **overlay}
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    sources = sources if sources.exists() else Path("/etc/apt/sources.list")
    # In namespaces of its own: if this is killed, no mount stays below the root.
    run("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
        "mmdebstrap", "--quiet", "--variant=apt", "--mode=root", f"--include={','.join(_PACKAGES)}", "--aptopt=Apt::Install-Recommends \"false\"",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
        f"--customize-hook=copy-in {' '.join(str(path) for path in tree.iterdir())} /", "--customize-hook=: >\"$1/etc/machine-id\"", "bookworm", str(root),
        input=sources.read_text(), env={**os.environ, "TMPDIR": str(work)})
    run("mkfs.ext4", "-q", "-L", "cloudroot", "-d", str(root), str(work / "root.ext4"), f"{_SIZE - _ROOT - 1}M")
    run("truncate", "-s", f"{_SIZE}M", str(disk))
    table = f"label: gpt\nstart={_CORE}MiB,size=1MiB,type=21686148-6449-6E6F-744E-656564454649\nstart={_ESP}MiB,size=32MiB,type=uefi\n"
    run("sfdisk", "-q", str(disk), input=f"{table}start={_ROOT}MiB,size={_SIZE - _ROOT - 1}MiB,type=linux\n")
    _start(work, disk)
    run("dd", f"if={work / 'root.ext4'}", f"of={disk}", "bs=1M", f"seek={_ROOT}", "conv=notrunc,sparse")
    run("rm", "-rf", str(root), str(work / "root.ext4"))
    return disk


def packages(disk: Path) -> t.List[t.Dict[str, str]]:
    """What dpkg knows on the disk, without starting it."""
    text = _debugfs(disk, "cat /var/lib/dpkg/status")
    stanzas = [dict(re.findall(r"^(Package|Version|Architecture|Status): (.+)$", stanza, re.MULTILINE)) for stanza in text.split("\n\n")]
    installed = [one for one in stanzas if one.get("Status", "").endswith(" installed")]
    return [{"name": one["Package"], "version": one["Version"], "architecture": one["Architecture"]} for one in installed]


def with_arguments(disk: Path, arguments: str, name: str) -> Path:
    """A copy whose kernel is given other arguments."""
    return with_files(disk, {"boot/grub/grub.cfg": _CONFIGURATION.format(arguments=arguments).encode()}, name)


def with_zeroed_kernel(disk: Path, name: str) -> Path:
    """A copy whose kernel has its name and size, and zeros."""
    kernel = re.search(r"/(vmlinuz-[^/]+)/", _debugfs(disk, "ls -p /boot"))
    assert kernel
    # Not a hole: debugfs would leave out blocks of nothing but zeros, and GRUB complains of another thing then.
    return with_files(disk, {f"boot/{kernel[1]}": (bytes(4095) + b"\1") * (8 * _MIB // 4096)}, name)


def with_files(disk: Path, files: t.Mapping[str, bytes], name: str) -> Path:
    """A copy with further or other files."""
    copy = disk.with_name(name)
    run("cp", "--sparse=always", str(disk), str(copy))
    commands = ""
    for number, (path, content) in enumerate(files.items()):
        source = disk.with_name(f"{name}.{number}")
        source.write_bytes(content)
        parents = [str(parent) for parent in reversed(Path(path).parents)][1:]
        commands += "".join(f"mkdir /{parent}\n" for parent in parents) + f"rm /{path}\nwrite {source} /{path}\n"
    run("debugfs", "-w", "-f", "-", f"{copy}?offset={_ROOT * _MIB}", input=commands)
    return copy


def _debugfs(disk: Path, command: str) -> str:
    return run("debugfs", "-R", command, f"{disk}?offset={_ROOT * _MIB}")


def _start(work: Path, disk: Path) -> None:
    """GRUB: for UEFI a program on the ESP; for BIOS its two parts in the places the first has to know of."""
    (work / "early.cfg").write_text(_EARLY)
    for target, file, more in (("x86_64-efi", "BOOTX64.EFI", ("fat",)), ("i386-pc", "core.img", ("biosdisk",))):
        run("grub-mkimage", "-O", target, "-o", str(work / file), "-c", str(work / "early.cfg"), "-p", "/boot/grub", *_GRUB, *more)
    at = f"{disk}@@{_ESP}M"
    run("mkfs.vfat", "-F", "16", "-n", "ESP", "--offset", str(_ESP * 2048), str(disk), "32768")
    run("mmd", "-i", at, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", at, str(work / "BOOTX64.EFI"), "::/EFI/BOOT/")
    boot, core = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()), bytearray((work / "core.img").read_bytes())
    sector = _CORE * 2048
    struct.pack_into("<Q", boot, 0x5c, sector)
    boot[0x66:0x68] = b"\x90\x90"  # what a grub-install for hard disks does: believe the BIOS about the drive's number
    struct.pack_into("<QHH", core, 0x1f4, sector + 1, -(-len(core) // 512) - 1, 0x820)
    with open(disk, "r+b") as file:
        boot[0x1b8:512] = file.read(512)[0x1b8:]
        file.seek(0)
        file.write(boot[:512])
        file.seek(sector * 512)
        file.write(core)


def repository(work: Path) -> t.Tuple[Path, t.Dict[str, str]]:
    """A signed overlay repository with the package egi-hello; its directory, and what a host has of it."""
    home, top = work / "gnupg", work / "repository"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", "Overlay <overlay@example.org>", "ed25519", "sign", "never")
    tree, pool, suite = work / "egi-hello", top / "apt/pool", top / "apt/dists/cmd-os-1-updates"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("Package: egi-hello\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: hello\n")
    pool.mkdir(parents=True)
    run("dpkg-deb", "--root-owner-group", "-b", str(tree), str(pool / "egi-hello_1.0-1_all.deb"))
    index = suite / "main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text(run("dpkg-scanpackages", "pool", cwd=top / "apt"))
    digest = run("sha256sum", str(index)).split()[0]
    (suite / "Release").write_text(f"Origin: EGI\nLabel: CMD-OS\nSuite: cmd-os-1-updates\nCodename: cmd-os-1-updates\nArchitectures: amd64\nComponents: main\n"
                                   f"Date: Thu, 01 Oct 2026 00:00:00 UTC\nSHA256:\n {digest} {index.stat().st_size} main/binary-amd64/Packages\n")
    run(*gpg, "--clearsign", "-o", str(suite / "InRelease"), str(suite / "Release"))
    run("gpgconf", "--homedir", str(home), "--kill", "all")
    key = "\n".join(" " + (line or ".") for line in run(*gpg, "--armor", "--export").splitlines())
    stanza = "URIs: http://repo.example.org/apt\nSuites: cmd-os-1-updates\nComponents: main\nSigned-By:\n"
    return top, {
        "etc/apt/sources.list.d/egi-cmd-cmd-os-1.sources": f"# Repository: cmd-os-1-updates\nTypes: deb\n{stanza}{key}\n",
        "etc/apt/preferences.d/egi-cmd-cmd-os-1.pref": "Package: *\nPin: release o=EGI,l=CMD-OS,n=cmd-os-1-updates\nPin-Priority: 1200\n",
    }
