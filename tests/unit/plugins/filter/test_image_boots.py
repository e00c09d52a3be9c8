# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every image is booted in every way that is made for it, and in no other."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.image_boots import image_boots

BIOS, UEFI = {"firmware": "bios", "transport": "nocloud"}, {"firmware": "uefi", "transport": "ovf"}


def image(
    variant: str = "generic", boot: tuple[str, ...] = ("bios", "uefi"), files: tuple[str, ...] = ("a.raw.tar.xz", "a.vmdk", "a.qcow2")
) -> dict[str, t.Any]:
    disk = {"boot": list(boot), "minimum_memory": 2048} if boot else None
    return {"path": "/srv/built/a/image.json", "image": {
        "name": "a", "variant": variant, "architecture": "x86_64", "disk": disk, "files": [{"name": name} for name in files],
        "packages": [{"name": "p", "version": "1", "architecture": "amd64"}], "repositories": [{"name": "r", "uri": "http://r.example.org"}],
    }}


def told(images: list[dict[str, t.Any]], *ways: dict[str, t.Any]) -> list[tuple[str, str, str]]:
    return [(boot["image"], boot["firmware"], boot["transport"]) for boot in image_boots(images, list(ways))]


def test_each_image_in_each_way() -> None:
    assert told([image()], BIOS, UEFI) == [("/srv/built/a/a.vmdk", "bios", "nocloud"), ("/srv/built/a/a.vmdk", "uefi", "ovf")]


def test_what_is_not_made_for_it_is_left_out() -> None:
    container, legacy, ec2 = image("container", ()), image(boot=("bios",)), image("ec2")
    assert told([container], BIOS, UEFI) == []
    assert [way for _image, way, _transport in told([legacy], BIOS, UEFI)] == ["bios"]
    assert told([image(), ec2], {**BIOS, "variants": ["ec2"]}) == told([ec2], BIOS)
    assert told([{"path": "x", "image": None}], BIOS) == []


def test_the_guest_has_to_be_what_the_build_says() -> None:
    (boot,) = image_boots([image()], [BIOS], [{"host": "r.example.org", "path": "/srv"}], ["p"], {"p": 1200}, 60)
    assert (boot["memory"], boot["timeout"], boot["mirror"]) == (2048, 60, [{"host": "r.example.org", "path": "/srv"}])
    built = image()["image"]
    assert boot["expect"] == {
        "packages": built["packages"], "repositories": built["repositories"], "priorities": {"p": 1200}, "install": ["p"],
    }


def test_a_guest_that_is_told_nothing_is_asked_nothing() -> None:
    (boot,) = image_boots([image()], [{"firmware": "bios", "transport": "none"}], [{"host": "h", "path": "/"}], ["p"])
    assert not {"expect", "mirror"} & set(boot)


@pytest.mark.parametrize("way", [{"firmware": "bios"}, {**BIOS, "memory": 1}, {}])
def test_a_wrong_way_is_refused(way: dict[str, t.Any]) -> None:
    with pytest.raises(AnsibleFilterError, match="Failed to choose how to boot the images: a boot is"):
        image_boots([image()], [way])


def test_a_disk_that_cannot_be_booted_is_said() -> None:
    with pytest.raises(AnsibleFilterError, match="a has no file that QEMU reads without unpacking. Have qcow2 built too"):
        image_boots([image(files=("a.raw.tar.xz",))], [BIOS])
