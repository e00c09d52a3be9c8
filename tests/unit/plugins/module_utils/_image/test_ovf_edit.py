# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages edited, judged against a kernel, asked for by a person, shown, and turned into domains of libvirt and back."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import (
    domain,
    ova,
    ovf_display,
    ovf_edit,
    ovf_guest,
    ovf_parameters,
    ovf_read,
    ovf_request,
    ovf_write,
)
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_build import Storage, machine
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_edit import Change
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import CONTROLLERS, Card, Envelope, Network, System
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.ovf_packages import CAPACITY, DISK, envelope, vmdk

# The lines of a cloud kernel's configuration that matter here: drivers for IDE, PVSCSI, virtio and vmxnet3, none for the rest.
CLOUD_KERNEL = """\
CONFIG_BLK_DEV_SD=m
CONFIG_BLK_DEV_SR=m
CONFIG_ATA_PIIX=m
CONFIG_VMWARE_PVSCSI=m
CONFIG_SCSI_VIRTIO=y
# CONFIG_FUSION is not set
# CONFIG_SATA_AHCI is not set
CONFIG_VIRTIO_NET=m
CONFIG_VMXNET3=m
# CONFIG_E1000 is not set
"""


def edited(descriptor: bytes, *changes: Change) -> Envelope:
    found, problems = ovf_read.read(ovf_edit.edit(descriptor, changes))
    assert found
    assert not problems
    return found


def test_an_edit_changes_what_it_says_and_nothing_else() -> None:
    wanted = envelope()
    found = edited(ovf_write.descriptor(wanted), Change("", 4, 8192, {"hostname": "a.example.org"}))
    system = found.systems[0]
    assert (system.cpus, system.memory) == (4, 8192)
    assert [one.value for one in system.products[0].properties if one.key == "hostname"] == ["a.example.org"]
    assert found._replace(systems=()) == wanted._replace(systems=())
    assert system._replace(cpus=2, memory=1024, products=()) == wanted.systems[0]._replace(products=())


def test_what_another_writer_put_into_it_stays() -> None:
    descriptor = ovf_write.descriptor(envelope()).replace(b"</VirtualHardwareSection>", b'<x:Own xmlns:x="urn:example"> kept </x:Own></VirtualHardwareSection>')
    assert b'<x:Own xmlns:x="urn:example"> kept </x:Own>' in ovf_edit.edit(descriptor, [Change(cpus=8)])


def test_an_edit_that_says_what_is_so_already_changes_no_byte() -> None:
    descriptor = ovf_write.descriptor(envelope()).replace(b"\n", b"\r\n  ")
    assert ovf_edit.edit(descriptor, [Change(cpus=2, memory=1024)]) == descriptor


def test_a_missing_unit_is_put_where_the_schema_wants_it() -> None:
    descriptor = ovf_write.descriptor(envelope()).replace(b"<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>", b"")
    text = ovf_edit.edit(descriptor, [Change(memory=4096)]).decode()
    item = text[text.index("<rasd:AllocationUnits>byte"):]
    assert item.index("AllocationUnits") < item.index("ElementName") < item.index("VirtualQuantity")


@pytest.mark.parametrize("change, why", [
    (Change("nobody"), "no system 'nobody'"), (Change("", None, None, {"colour": "red"}), "0 properties 'colour'"), (Change(), "several systems"),
])
def test_an_edit_that_means_nothing_is_refused(change: Change, why: str) -> None:
    wanted = envelope()
    both = wanted._replace(name="both", systems=(wanted.systems[0], wanted.systems[0]._replace(id="beta")))
    with pytest.raises(Failure, match=why):
        ovf_edit.edit(ovf_write.descriptor(both if why == "several systems" else wanted), [change])


@pytest.mark.parametrize("bus, model, card, problems", [
    ("ide", "", "VmxNet3", 0), ("scsi", "VirtualSCSI", "virtio", 0), ("scsi", "virtio-scsi", "virtio", 0), ("scsi", "lsilogic", "virtio", 2),
    ("sata", "", "virtio", 2), ("ide", "", "E1000", 1), ("scsi", "unheard-of", "unheard-of", 0),
])
def test_hardware_the_kernel_cannot_drive_is_found(bus: str, model: str, card: str, problems: int) -> None:
    controllers, drives = machine(["disk1"], Storage(bus, model), Storage(bus, model))
    system = System("alpha", controllers=controllers, drives=drives, cards=(Card("default", card),))
    assert [problem.rule for problem in ovf_guest.judge(Envelope((system,)), CLOUD_KERNEL)] == ["no-driver"] * problems


def test_secrets_are_not_shown() -> None:
    text = ovf_edit.edit(ovf_write.descriptor(envelope()), [Change(properties={"password": "hunter2", "user-data": "hunter3", "hostname": "seen"})])
    shown = ovf_display.shown(text)
    assert "hunter" not in shown
    assert "seen" in shown
    read, _problems = ovf_read.read(text)
    assert read
    plain = json.dumps(ovf_display.plain(read))
    assert "hunter" not in plain
    assert "seen" in plain


def told(**more: t.Any) -> dict[str, t.Any]:
    """A system as the module gives it."""
    defaults: dict[str, t.Any] = {name: option.get("default") for name, option in ovf_parameters.SYSTEM.items()}
    return {**defaults, "name": "alpha", **more}


def test_a_person_asks_for_two_machines(tmp_path: Path) -> None:
    for name in (DISK, "data.vmdk"):
        (tmp_path / name).write_bytes(vmdk(descriptor='createType="streamOptimized"\nparentCID=ffffffff\nRDONLY 1 SPARSE "x"\n'))
    package = ovf_request.described([
        told(disks=[str(tmp_path / DISK)], networks=["inside", "outside"], platform="bookworm"),
        told(name="beta", disks=[str(tmp_path / "data.vmdk")], storage={"bus": "scsi", "model": "VirtualSCSI"}, transports=[], cloud_init=False),
    ], "1.1", "both", "")
    alpha, beta = package.envelope.systems
    assert [disk.capacity for disk in package.envelope.disks] == [CAPACITY, CAPACITY]
    assert [network.name for network in package.envelope.networks] == ["default", "inside", "outside"]
    assert (alpha.os, alpha.memory, [drive.kind for drive in alpha.drives]) == (96, 1024, ["disk", "cdrom"])
    assert ([drive.kind for drive in beta.drives], beta.controllers[0].model, beta.products) == (["disk"], "VirtualSCSI", ())
    assert ova.parts("both", package.envelope, package.sources)[0].name == "both.ovf"


@pytest.mark.parametrize("data, why", [(b"QFI\xfb", "not a streamOptimized"), (vmdk(), "not a streamOptimized")])
def test_a_disk_of_another_format_is_not_packed(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / DISK).write_bytes(data)
    with pytest.raises(Failure, match=why):
        ovf_request.described([told(disks=[str(tmp_path / DISK)])], "1.1", "", "")


@pytest.mark.parametrize("params, why", [
    ({"state": "packed", "image": "a", "domain": "b"}, "not said once"), ({"state": "packed", "systems": []}, "not said once"),
    ({"state": "packed", "systems": [told(name=None)]}, "name each"), ({"state": "packed", "systems": [told(), told()]}, "name each"),
    ({"state": "edited", "systems": []}, "what is to be different"), ({"state": "edited", "systems": [told(disks=["a"])]}, "disks cannot be changed"),
    ({"state": "edited", "systems": [told(memory=0)]}, "memory is 0"),
])
def test_what_would_be_ignored_is_refused(params: dict[str, t.Any], why: str) -> None:
    with pytest.raises(Failure, match=why):
        ovf_parameters.check({"path": "p", "image": None, "domain": None, "systems": [], **params})


@given(bus=st.sampled_from(sorted(CONTROLLERS)), model=st.integers(0, 4), disks=st.integers(0, 3),
       cards=st.lists(st.sampled_from(["VmxNet3", "virtio", "E1000"])), cpus=st.integers(1, 64), memory=st.integers(1, 1 << 20),
       firmware=st.sampled_from(["", "efi"]), cdrom=st.booleans())
def test_a_system_becomes_a_domain_and_a_system_again(
    bus: str, model: int, disks: int, cards: list[str], cpus: int, memory: int, firmware: str, cdrom: bool,
) -> None:
    names = [f"disk{number}" for number in range(1, disks + 1)]
    models = CONTROLLERS[bus] if bus == "scsi" else CONTROLLERS[bus][:1]
    controllers, drives = machine(names, Storage(bus, models[model % len(models)] if names else ""), Storage() if cdrom else None)
    system = System("alpha", "alpha", 0, "", cpus, memory, "", firmware, (), controllers, drives, tuple(Card("default", card) for card in cards))
    paths = tuple(f"/srv/images/{name}.vmdk" for name in names)
    package = Envelope((system,), networks=(Network("default"),))
    package = package._replace(
        files=tuple(envelope().files[0]._replace(id=f"f-{name}", name=f"{name}.vmdk") for name in names),
        disks=tuple(envelope().disks[0]._replace(id=name, file=f"f-{name}") for name in names),
    )
    assert domain.read(domain.write(package, system, "/srv/images")) == domain.Found(system, paths, ())


@pytest.mark.parametrize("text, why", [
    ("<network/>", "it is <network>"), ("<domain", "xml-malformed"), ("<!DOCTYPE d><domain/>", "xml-doctype"),
    ("<domain><memory>x</memory><vcpu>1</vcpu></domain>", "memory is 'x'"), ("<domain><memory unit='furlong'>1</memory><vcpu>1</vcpu></domain>", "furlong"),
    ("<domain><memory>1024</memory><vcpu>two</vcpu></domain>", "vcpu is 'two'"),
    ("<domain><devices><disk type='block'><source dev='/dev/sda'/></disk></devices></domain>", "not a file"),
    ("<domain><devices><disk type='file'><source file='/a'/><target bus='ide'/></disk><disk type='file'><source file='/b'/><target bus='usb'/></disk>"
     "</devices></domain>", "disks are on ide and usb"),
])
def test_a_domain_that_cannot_be_packed_is_refused(text: str, why: str) -> None:
    with pytest.raises(Failure, match=why):
        domain.read(text.encode())


def test_what_a_package_cannot_have_is_named() -> None:
    found = domain.read(b"<domain><name>a</name><memory unit='GiB'>2</memory><vcpu>1</vcpu><devices><hostdev type='pci'/><video/></devices></domain>")
    assert (found.system.memory, found.lost) == (2048, ("hostdev pci",))
