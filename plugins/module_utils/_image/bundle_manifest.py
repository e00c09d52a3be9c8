# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The manifest of an image bundle as EC2 and Eucalyptus take it, version 2007-10-10.

A bundle is a tar archive with one disk image, packed with gzip, encrypted with AES-128-CBC and cut into parts. The manifest has
the SHA-1 of the archive and of each part, key and initialization vector encrypted for the user and for the cloud, and the user's
signature over the elements machine_configuration and image, as they stand in the file.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_read import name_problem
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, Refused, compact, parse

VERSION = "2007-10-10"
_MOST_PARTS = 100000  # of 10 MiB each: an image of 1 TiB
_SIGNED = ("machine_configuration", "image")


class Part(t.NamedTuple):
    """A part. sha1: of its encrypted bytes, hexadecimal."""

    name: str
    sha1: str


class Bundle(t.NamedTuple):
    """A manifest. kind: ``machine``, ``kernel`` or ``ramdisk``; sha1: of the tar archive; size: bytes of the image; bundled: bytes of
    all parts; keys and vectors: hexadecimal, encrypted for the cloud and for the user; devices: pairs of virtual name and device."""

    name: str
    user: str
    kind: str
    architecture: str
    sha1: str = ""
    size: int = 0
    bundled: int = 0
    cloud_key: str = ""
    user_key: str = ""
    cloud_vector: str = ""
    user_vector: str = ""
    parts: t.Tuple[Part, ...] = ()
    kernel: str = ""
    ramdisk: str = ""
    devices: t.Tuple[t.Tuple[str, str], ...] = ()


def refusal(rule: str, what: str, remedy: str) -> Failure:
    """A bundle that cannot be used, with the id of the rule it breaks."""
    return Failure("read the bundle", f"{rule}: {what}", remedy)


def signed_text(bundle: Bundle) -> bytes:
    """What the user signs."""
    return (compact(_machine(bundle)) + compact(_image(bundle))).encode("utf-8")


def encode(bundle: Bundle, signature: str) -> bytes:
    """The bytes of the manifest. signature: hexadecimal."""
    bundler = Node("bundler", {}, Node("name", {}, "egi.cmd"), Node("version", {}, "0.1.0"), Node("release", {}, "0"))
    inner = [compact(Node("version", {}, VERSION)), compact(bundler), signed_text(bundle).decode("utf-8"), compact(Node("signature", {}, signature))]
    return f"<?xml version=\"1.0\"?><manifest>{''.join(inner)}</manifest>\n".encode()


def decode(data: bytes) -> t.Tuple[Bundle, bytes, str]:
    """A manifest, what of it is signed as it stands, and the signature."""
    try:
        root = parse(data)
    except Refused as refused:
        raise refusal(refused.problem.rule, f"the manifest cannot be read: {refused.problem.what}", refused.problem.remedy) from refused
    if root.name != "manifest" or root.text("version") != VERSION:
        raise refusal("bundle-version", f"it is no manifest of version {VERSION}", "Name the .manifest.xml of the bundle")
    machine, image = (_only(root, name) for name in _SIGNED)
    return _bundle(machine, image), _raw(data), root.text("signature")


def _raw(data: bytes) -> bytes:
    """The signed elements as they stand. Whoever could hide a second one in a comment would have signed one and shown another."""
    if b"<!" in data:
        raise refusal("bundle-form", "the manifest has comments or other sections", "Do not use this bundle")
    found = b""
    for name in _SIGNED:
        tag = name.encode()
        parts = re.findall(rb"<%s>.*?</%s>" % (tag, tag), data, re.DOTALL)
        if len(parts) != 1:
            raise refusal("bundle-form", f"the manifest does not have one element {name}", "Do not use this bundle")
        found += parts[0]
    return found


def _only(root: Node, name: str) -> Node:
    found = root.nodes(name)
    if len(found) != 1:
        raise refusal("bundle-form", f"the manifest does not have one element {name}", "Do not use this bundle")
    return found[0]


def _machine(bundle: Bundle) -> Node:
    """kernel_id and ramdisk_id are also how an image says that it is a kernel or a RAM disk itself."""
    node = Node("machine_configuration", {}, Node("architecture", {}, bundle.architecture))
    mappings = [Node("mapping", {}, Node("virtual", {}, virtual), Node("device", {}, device)) for virtual, device in bundle.devices]
    if mappings:
        node.children.append(Node("block_device_mapping", {}, *mappings))
    kernel, ramdisk = ("true" if bundle.kind == kind else value for kind, value in (("kernel", bundle.kernel), ("ramdisk", bundle.ramdisk)))
    node.children += [Node(name, {}, value) for name, value in (("kernel_id", kernel), ("ramdisk_id", ramdisk)) if value]
    return node


def _image(bundle: Bundle) -> Node:
    aes, sha1 = {"algorithm": "AES-128-CBC"}, {"algorithm": "SHA1"}
    parts = [
        Node("part", {"index": str(number)}, Node("filename", {}, part.name), Node("digest", sha1, part.sha1)) for number, part in enumerate(bundle.parts)
    ]
    # Readers want the type directly after the user.
    return Node(
        "image", {}, Node("name", {}, bundle.name), Node("user", {}, bundle.user), Node("type", {}, bundle.kind), Node("digest", sha1, bundle.sha1),
        Node("size", {}, str(bundle.size)), Node("bundled_size", {}, str(bundle.bundled)), Node("ec2_encrypted_key", aes, bundle.cloud_key),
        Node("user_encrypted_key", aes, bundle.user_key), Node("ec2_encrypted_iv", {}, bundle.cloud_vector),
        Node("user_encrypted_iv", {}, bundle.user_vector), Node("parts", {"count": str(len(parts))}, *parts),
    )


def _bundle(machine: Node, image: Node) -> Bundle:
    # euca2ools writes the mappings without the element around them.
    mappings = [mapping for around in [machine, *machine.nodes("block_device_mapping")] for mapping in around.nodes("mapping")]
    kernel, ramdisk = machine.text("kernel_id"), machine.text("ramdisk_id")
    kind = image.text("type") or ("kernel" if kernel == "true" else "ramdisk" if ramdisk == "true" else "machine")
    return Bundle(
        image.text("name"), image.text("user"), kind, machine.text("architecture"), image.text("digest"), _number(image, "size"),
        _number(image, "bundled_size"), image.text("ec2_encrypted_key"), image.text("user_encrypted_key"), image.text("ec2_encrypted_iv"),
        image.text("user_encrypted_iv"), _parts(image), "" if kernel == "true" else kernel, "" if ramdisk == "true" else ramdisk,
        tuple((mapping.text("virtual"), mapping.text("device")) for mapping in mappings),
    )


def _parts(image: Node) -> t.Tuple[Part, ...]:
    nodes = [node for around in image.nodes("parts") for node in around.nodes("part")]
    if not nodes or len(nodes) > _MOST_PARTS:
        raise refusal("bundle-parts", f"the manifest has {len(nodes)} parts", "Do not use this bundle")
    found = {}
    for node in nodes:
        name, index = node.text("filename"), node.attributes.get("index", "")
        problem = name_problem(name)
        if problem:
            raise refusal(problem.rule, problem.what, problem.remedy)
        if not re.fullmatch("[0-9]{1,6}", index) or int(index) in found:
            raise refusal("bundle-parts", f"the part {name!r} has the index {index[:20]!r}", "Do not use this bundle")
        found[int(index)] = Part(name, node.text("digest").lower())
    if sorted(found) != list(range(len(found))):
        raise refusal("bundle-parts", "the indices of the parts have gaps", "Get the manifest again")
    return tuple(found[index] for index in range(len(found)))


def _number(image: Node, name: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", image.text(name)):
        raise refusal("bundle-form", f"{name} is {image.text(name)[:40]!r}, not a number", "Get the manifest again")
    return int(image.text(name))
