# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a person reads beside the images: which file, how to verify it, how to boot it. Pure.

A text is a list of blocks, so that README.md and the page for browsers say the same.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import name_of
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site

_STAGES = {
    "scratch": "A build as it came from the builders. Nobody vouches for it.", "alpha": "An early milestone: for testers.",
    "beta": "A late milestone: for testers and the curious.", "rc": "A release candidate: it becomes the release unless something is found.",
    "final": "The release.",
}
_USES = {
    "qcow2": "OpenStack, OpenNebula, libvirt", "raw.tar.xz": "EC2, and whatever takes a raw disk", "vmdk": "VMware", "vhd": "Hyper-V, Azure",
    "ova": "VMware, VirtualBox, and the federation's cloud sites", "ovf": "the description in the OVA", "tar.xz": "containers",
}
# Variant that is best for it, format, heading, commands
_WAYS = (
    ("generic", "qcow2", "Boot in OpenStack", (
        "openstack image create --disk-format qcow2 --container-format bare --file %(file)s %(name)s",
        "openstack server create --image %(name)s --flavor m1.small --key-name mykey --network mynet test")),
    ("generic", "qcow2", "Boot in OpenNebula", (
        "oneimage create -d default --name %(name)s --type OS --prefix vd --format qcow2 --path $PWD/%(file)s",
        "onetemplate create --name %(name)s --cpu 1 --memory %(memory)s --disk %(name)s --nic mynet --ssh --net_context",
        "onetemplate instantiate %(name)s")),
    ("generic", "qcow2", "Boot with libvirt", (
        "virt-install --name test --memory %(memory)s --import --disk %(file)s --osinfo linux2022 --cloud-init ssh-key=$HOME/.ssh/id_ed25519.pub "
        "--network network=default --noautoconsole",)),
    ("ec2", "raw.tar.xz", "Boot in EC2", (
        "tar --sparse -xJf %(file)s --transform 's,.*,disk.raw,'", "snapshot=$(coldsnap upload --wait disk.raw)",
        "aws ec2 register-image --name %(name)s --architecture %(ec2)s --virtualization-type hvm --ena-support --root-device-name /dev/xvda "
        '--block-device-mappings "DeviceName=/dev/xvda,Ebs={SnapshotId=$snapshot}"')),
    ("generic", "ova", "Boot in VMware", ("govc import.ova -name test %(file)s", "govc vm.power -on test")),
    ("container", "tar.xz", "Run as a container", ("podman import %(file)s %(name)s", "podman run --rm -it %(name)s /bin/bash")),
)


class Block(t.NamedTuple):
    """kind: heading (text), paragraph (text), commands (lines) or files (rows of name, size, use, SHA-256)."""

    kind: str
    text: str = ""
    lines: t.Tuple[str, ...] = ()
    rows: t.Tuple[t.Tuple[str, int, str, str], ...] = ()


def title(site: Site, drop: Drop) -> str:
    """The first line."""
    return f"{site.title}: images, {drop.label}"


def blocks(site: Site, drop: Drop) -> t.List[Block]:
    """The text below the title."""
    found = [Block("paragraph", f"{_STAGES[drop.stage]} {_signed_off(drop)}")]
    for image in drop.images:
        rows = tuple((file["name"], file["size"], _USES[file["format"]], file["sha256"]) for file in image["files"])
        found += [Block("heading", f"{image['variant']}, {image['architecture']}"), Block("paragraph", _about(image)), Block("files", rows=rows)]
    found += _verifying(site, drop)
    return found + _booting(drop) + _more(site)


def markdown(site: Site, drop: Drop) -> bytes:
    """README.md"""
    parts = [f"# {title(site, drop)}"]
    for block in blocks(site, drop):
        if block.kind == "heading":
            parts.append(f"## {block.text}")
        elif block.kind == "paragraph":
            parts.append(block.text)
        elif block.kind == "commands":
            parts.append("\n".join(("```console", *block.lines, "```")))
        else:
            parts.append("\n".join(f"- [{name}]({name}), {human(size)}: {use}  \n  SHA-256 `{digest}`" for name, size, use, digest in block.rows))
    return ("\n\n".join(parts) + "\n").encode()


def human(size: int) -> str:
    """A size for people: 512 bytes, 1.5 MiB."""
    if size < 1024:
        return f"{size} bytes"
    value, units = size / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.1f} {units[0]}"


def _signed_off(drop: Drop) -> str:
    if not drop.blessing:
        return "It is not blessed."
    reason = f": {drop.blessing.text}" if drop.blessing.text else ""
    return f"Blessed by {drop.blessing.by} on {drop_site.iso(drop.blessing.time)[:10]}{reason}"


def _about(image: Json) -> str:
    made = f"Made from {image['release']}" + (f" on {image['platform']}" if image["platform"] else "")
    made += f", snapshot {image['snapshot']}" if image["snapshot"] else ""
    contents = f"{len(image['packages'])} packages, listed in {name_of(image)}.spdx.json"
    if not image["disk"]:
        return f"{made}. A root file system without a kernel. {contents}."
    firmware = " and ".join(word.upper() for word in image["disk"]["boot"])
    return f"{made}. Boots with {firmware}, needs {image['disk']['minimum_memory']} MiB of memory. {contents}."


def _verifying(site: Site, drop: Drop) -> t.List[Block]:
    file = drop.images[0]["files"][0]["name"]
    url = f"{site.url}/{drop.label}"
    return [
        Block("heading", "Download and verify"),
        Block("commands", lines=(f"curl -O {site.url}/KEY.asc", f"curl -O {url}/CHECKSUM -O {url}/{file}", "gpg --import KEY.asc", "gpg --verify CHECKSUM",
                                 "sha256sum --check --ignore-missing CHECKSUM")),
        Block("paragraph", "The first line of the last command's answer ends with OK, and gpg names a key with one of these fingerprints: "
              f"{', '.join(site.keys)}. Compare them with a copy you got another way. SHA256SUMS and SHA512SUMS say the same, with signatures beside them."),
    ]


def _booting(drop: Drop) -> t.List[Block]:
    """Commands, each for one image; other ones differ in nothing but the name."""
    found = []
    for variant, form, heading, commands in _WAYS:
        fitting = [(image, file["name"]) for image in drop.images for file in image["files"]
                   if file["format"] == form and bool(image["disk"]) == (form != "tar.xz")]
        if fitting:
            image, file = min(fitting, key=lambda one: one[0]["variant"] != variant)
            memory = max(image["disk"]["minimum_memory"], 1024) if image["disk"] else 0
            words = {"file": file, "name": name_of(image), "memory": memory, "ec2": _ec2(image)}
            found += [Block("heading", heading), Block("commands", lines=tuple(line % words for line in commands))]
    return found


def _ec2(image: Json) -> str:
    return {"i686": "i386", "aarch64": "arm64", "x86_64": "x86_64"}[image["architecture"]]


def _more(site: Site) -> t.List[Block]:
    found = [Block("heading", "More"), Block("paragraph", "What was tested, who signed it off and every package: drop.json. What is in an image: the "
                                                          f".spdx.json file with its name. All drops of this stream: {site.url}/")]
    return [*found, Block("paragraph", f"Questions: {site.contact}")] if site.contact else found
