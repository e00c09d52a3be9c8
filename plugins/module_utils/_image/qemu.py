# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""QEMU: the command line of a throw-away machine, its process, and its monitor (QMP)."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

PROGRAMS = {"x86_64": "qemu-system-x86_64", "i686": "qemu-system-i386"}
FORMATS = {".qcow2": "qcow2", ".raw": "raw", ".img": "raw", ".vmdk": "vmdk", ".vhd": "vpc"}
MAC = "52:54:00:12:34:56"
# Code and variables of the same build, as the distributions install them.
_UEFI = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"), ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
)
# Nothing leaves the machine: restrict=on. Link-local is where EC2 has its metadata service, so that machine's net is there.
_NETS = {"ec2": "net=169.254.0.0/16,host=169.254.0.1,dns=169.254.0.3,dhcpstart=169.254.0.15"}
_SERVERS = {"ec2": "169.254.0.100"}
_EC2_UUID = "ec2a1b2c-0000-4000-8000-000000000001"
_PATIENCE = 15.0


class Plan(t.NamedTuple):
    """A machine. disk: a qcow2 file it may write; seed: image of a disc, or empty; metadata, mirror: commands that answer one HTTP
    connection on standard input and output, or empty; work: directory for what it leaves."""

    architecture: str
    firmware: str
    transport: str
    memory: int
    cpu: str
    disk: str
    seed: str
    metadata: str
    mirror: str
    work: str


def server(transport: str) -> str:
    """The address at which a machine finds its mirror."""
    return _SERVERS.get(transport, "10.0.2.100")


def version(architecture: str, firmware: t.Iterable[str]) -> str:
    """QEMU's own words; refused where a machine of that architecture cannot be made with each firmware."""
    for program in (PROGRAMS[architecture], "qemu-img", "setpriv"):
        if not shutil.which(program):
            raise Failure("boot the image", f"{program} is not installed", "Install QEMU for this architecture, qemu-img and util-linux")
    if "uefi" in firmware:
        _uefi()
    done = subprocess.run([PROGRAMS[architecture], "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[0].strip()


def virtual_size(image: str, kind: str) -> int:
    """Bytes of the disk in an image. One that names a backing file is refused: it would make QEMU read whatever it names."""
    done = subprocess.run(["qemu-img", "info", "--output=json", "-f", kind, image],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    if done.returncode:
        raise Failure(f"read {image}", done.stderr.strip().rpartition(": ")[2] or f"it is no {kind} image", "Check the file and its format")
    told = json.loads(done.stdout)
    if told.get("backing-filename"):
        raise Failure(f"read {image}", "it is only the difference to another file", "Give an image that stands alone (qemu-img convert)")
    return int(told["virtual-size"])


def layer(image: str, kind: str, size: int, path: str) -> None:
    """A disk of a given size over an image, which is never written."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", os.path.abspath(image), "-F", kind, path, str(size)],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True, timeout=60)


def raw(image: str, kind: str, path: str) -> None:
    """The bytes of an image's disk, as a sparse file."""
    subprocess.run(["qemu-img", "convert", "-f", kind, "-O", "raw", image, path],
                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True, timeout=1800)


def command(plan: Plan, accelerator: str, monitor: int) -> t.List[str]:
    """The command line. monitor: descriptor of the monitor's socket."""
    thread = ",thread=multi" if accelerator == "tcg" else ""
    # max: all that the accelerator can do, which with KVM is the machine's own processor.
    words = [PROGRAMS[plan.architecture], "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "std",
             "-accel", accelerator + thread, "-cpu", plan.cpu, "-smp", "2", "-m", str(plan.memory),
             "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
             "-serial", f"file:{_escaped(os.path.join(plan.work, 'console'))}",
             # SeaBIOS talks to this port; on the serial console it says nothing.
             "-chardev", f"file,id=firmware,path={_escaped(os.path.join(plan.work, 'firmware'))}", "-device", "isa-debugcon,iobase=0x402,chardev=firmware",
             "-device", "virtio-rng-pci", "-drive", f"file={_escaped(plan.disk)},if=none,id=disk,format=qcow2,cache=unsafe",
             "-device", "virtio-blk-pci,drive=disk,bootindex=1"]
    return words + _firmware(plan) + _network(plan) + _seed(plan)


def _uefi() -> t.Tuple[str, str]:
    found = next((pair for pair in _UEFI if all(map(os.path.exists, pair))), None)
    if not found:
        raise Failure("boot the image", "there is no UEFI firmware on this machine", "Install ovmf, or edk2-ovmf")
    return found


def _firmware(plan: Plan) -> t.List[str]:
    if plan.firmware == "bios":
        return []
    code, template = _uefi()
    variables = os.path.join(plan.work, "variables")
    shutil.copyfile(template, variables)
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}", "-drive", f"if=pflash,format=raw,unit=1,file={_escaped(variables)}"]


def _network(plan: Plan) -> t.List[str]:
    net = ["user,id=net,restrict=on"] + ([_NETS[plan.transport]] if plan.transport in _NETS else [])
    # The form -cmd: starts a program for each connection; the other forms serve one connection and no more.
    if plan.metadata:
        net.append(f"guestfwd=tcp:169.254.169.254:80-cmd:{_escaped(plan.metadata)}")
    if plan.mirror:
        net.append(f"guestfwd=tcp:{server(plan.transport)}:80-cmd:{_escaped(plan.mirror)}")
    # Without a ROM, firmware does not wait for a network that boots nobody.
    words = ["-netdev", ",".join(net), "-device", f"virtio-net-pci,netdev=net,mac={MAC},romfile="]
    if plan.transport == "ec2":
        words += ["-smbios", f"type=1,manufacturer=Amazon EC2,uuid={_EC2_UUID},serial={_EC2_UUID}"]
    return words


def _seed(plan: Plan) -> t.List[str]:
    # cloud-init looks for the OVF environment on sr*, hd* and xvd* only, and cloud kernels have no driver for a SATA drive.
    if not plan.seed:
        return []
    return ["-device", "virtio-scsi-pci", "-drive", f"file={_escaped(plan.seed)},if=none,id=seed,format=raw,readonly=on,media=cdrom",
            "-device", "scsi-cd,drive=seed"]


def _escaped(text: str) -> str:
    """Text in an option of QEMU, which doubles commas."""
    return text.replace(",", ",,")


class Machine:
    """A running QEMU; a context that leaves no process behind, not even when this one is killed."""

    def __init__(self, plan: Plan, accelerator: str) -> None:
        self._plan = plan
        self._socket, theirs = socket.socketpair()
        self._heard = b""
        self.events: t.List[t.Dict[str, t.Any]] = []
        words = ["setpriv", "--pdeathsig", "KILL", "--", *command(plan, accelerator, theirs.fileno())]
        with theirs, open(os.path.join(plan.work, "qemu"), "wb") as said:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, pass_fds=[theirs.fileno()], cwd=plan.work,
                                             env={**os.environ, "TMPDIR": plan.work, "LC_ALL": "C.UTF-8"})
        self._socket.setblocking(False)
        self._send("qmp_capabilities")

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._socket.close()

    def ended(self) -> t.Optional[int]:
        """The exit status, once there is one."""
        self._listen(0)
        return self._process.poll()

    def shut_down(self) -> str:
        """Why the machine is off, in QEMU's words: guest-shutdown, guest-reset, guest-panic; empty while it runs."""
        self._listen(0)
        return next((event.get("data", {}).get("reason", "") for event in self.events if event.get("event") == "SHUTDOWN"), "")

    def words(self) -> str:
        """What QEMU itself had to complain of."""
        return self._read("qemu")

    def console(self) -> str:
        """All that the serial console showed."""
        return self._read("console")

    def firmware(self) -> str:
        """All that the firmware logged."""
        return self._read("firmware")

    def screenshot(self) -> bytes:
        """The screen, as a portable pixmap; empty when QEMU does not answer."""
        path = os.path.join(self._plan.work, "screen")
        answers = sum("return" in event or "error" in event for event in self.events)
        self._send("screendump", filename=path)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            if sum("return" in event or "error" in event for event in self.events) > answers:
                break
            self._listen(0.2)
        if not os.path.exists(path):
            return b""
        with open(path, "rb") as file:
            return file.read()

    def press_power_button(self) -> None:
        """Ask the machine to power itself off (ACPI)."""
        self._send("system_powerdown")

    def _read(self, name: str) -> str:
        path = os.path.join(self._plan.work, name)
        if not os.path.exists(path):
            return ""
        with open(path, "rb") as file:
            return file.read(64 << 20).decode("utf-8", "replace")

    def _send(self, name: str, **arguments: t.Any) -> None:
        try:
            self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        except OSError:  # it has ended; its exit status tells
            pass

    def _listen(self, seconds: float) -> None:
        while select.select([self._socket], [], [], seconds)[0]:
            try:
                more = self._socket.recv(65536)
            except OSError:
                return
            if not more:
                return
            *lines, self._heard = (self._heard + more).split(b"\n")
            self.events += [json.loads(line) for line in lines if re.match(rb"\s*\{", line)]
            seconds = 0
