# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds: whatever text goes in comes out of the readers' own parsers; what cannot be carried is refused by name."""

from __future__ import annotations

import base64
import email
import json
import re
import subprocess
import typing as t
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ovf_environment, seed, seed_files

yaml = pytest.importorskip("yaml")

NS = f"{{{ovf_environment.NAMESPACE}}}"
KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA one@example.org", "ssh-rsa AAAAB3Nza two words"]
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=60)
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
                      max_leaves=8)
ETHERNET = {"match": {"macaddress": "52:54:00:00:00:02"}, "addresses": ["192.0.2.2/24"], "gateway4": "192.0.2.1",
            "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.org"]}}
NETWORK = {"version": 2, "ethernets": {"eth0": ETHERNET}}
NETWORK_1 = {"version": 1, "config": [{"type": "physical", "name": "eth0", "mac_address": "52:54:00:00:00:02", "subnets": [
    {"type": "static", "address": "192.0.2.2/24", "gateway": "192.0.2.1", "dns_nameservers": ["192.0.2.53"], "dns_search": ["example.org"]}]}]}


def made(transport: str, **more: t.Any) -> t.Dict[str, str]:
    files = seed_files.files(seed.of({"hostname": "wn1.example.org", **more}), transport)
    return {path: content.decode() for path, content in files.items()}


def decoded(text: str) -> t.List[t.Tuple[str, str]]:
    """Type and text of the parts of user data, read by Python's own reader of MIME."""
    return [(part.get_content_type(), part.get_payload(decode=True).decode()) for part in email.message_from_string(text).walk() if not part.is_multipart()]


@given(VALUES)
def test_any_value_is_the_same_value_in_yaml(value: t.Any) -> None:
    assert yaml.safe_load(seed.yaml(value)) == value


@given(st.lists(TEXT.filter(str.strip), min_size=2, max_size=4))
def test_any_parts_come_out_of_mime(parts: t.List[str]) -> None:
    text = seed.text_of(parts)
    # A reader of mail knows no other line end than its own.
    assert [body for _kind, body in decoded(text)] == parts
    assert seed.text_of(parts) == text


def test_parts_say_what_they_are() -> None:
    text = made("nocloud", user_data=["#!/bin/sh\n", {"packages": ["a"]}, "#include\nhttp://example.org/\n", "words"])["user-data"]
    assert [kind for kind, _body in decoded(text)] == ["text/x-shellscript", "text/cloud-config", "text/x-include-url", "text/plain"]


def test_a_password_is_added_to_what_the_user_has() -> None:
    text = made("nocloud", user_data={"packages": ["a"]}, password="pass word")["user-data"]
    parts = [yaml.safe_load(body) for _kind, body in decoded(text)]
    assert parts == [{"packages": ["a"]}, {"password": "pass word", "chpasswd": {"expire": False}, "ssh_pwauth": True}]
    assert re.search(r"^Merge-Type: dict\(no_replace", text, re.MULTILINE)


@settings(max_examples=30)
@given(st.lists(TEXT, min_size=1, max_size=20))
def test_any_text_comes_out_of_a_shell(texts: t.List[str]) -> None:
    script = "".join(f"A{number}={seed_files.shell_quoted(text)}\n" for number, text in enumerate(texts))
    script += "".join(f'printf "%s\\0" "$A{number}"\n' for number in range(len(texts)))
    done = subprocess.run(["sh", "-eu"], input=script.encode(), stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().split("\0")[:-1] == texts


@given(st.dictionaries(st.text("abc-", min_size=1), TEXT.filter(lambda text: not ovf_environment._XML.search(text)), max_size=4))
def test_any_property_comes_out_of_xml(told: t.Dict[str, str]) -> None:
    root = ElementTree.fromstring(ovf_environment.document(told, "wn1"))
    found = {one.get(f"{NS}key"): one.get(f"{NS}value") for one in root.iterfind(f"{NS}PropertySection/{NS}Property")}
    assert found == told and root.tag == f"{NS}Environment"


def test_what_xml_does_not_have_is_refused() -> None:
    with pytest.raises(Failure, match="hostname has a character that XML does not have"):
        ovf_environment.document({"hostname": "\x01"}, "wn1")


def test_nocloud_has_metadata_and_user_data_even_without_any() -> None:
    files = made("nocloud", instance_id="i-1", ssh_keys=KEYS)
    assert set(files) == {"meta-data", "user-data"} and files["user-data"] == ""
    assert yaml.safe_load(files["meta-data"]) == {"instance-id": "i-1", "local-hostname": "wn1.example.org", "public-keys": KEYS}


def test_an_instance_follows_from_its_content() -> None:
    first, same, other = (seed.of({"hostname": "a", "user_data": data}).instance_id for data in ("x", "x", "y"))
    assert first == same != other


@pytest.mark.parametrize("network", [NETWORK, NETWORK_1])
def test_both_versions_of_a_network_are_the_same_to_other_clouds(network: t.Dict[str, t.Any]) -> None:
    told = json.loads(made("configdrive", network=network)["openstack/latest/network_data.json"])
    assert told["links"] == [{"id": "eth0", "name": "eth0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:02"}]
    assert told["networks"] == [{"id": "eth0-0", "link": "eth0", "type": "ipv4", "ip_address": "192.0.2.2", "netmask": "255.255.255.0",
                                 "gateway": "192.0.2.1", "dns_nameservers": ["192.0.2.53"], "dns_search": ["example.org"]}]
    context = made("opennebula", network=network)["context.sh"]
    assert "ETH0_MAC='52:54:00:00:00:02'\nETH0_IP='192.0.2.2'\nETH0_MASK='255.255.255.0'\nETH0_GATEWAY='192.0.2.1'\n" in context


def test_keys_and_a_password_are_one_more_part_of_an_ovf_guests_data() -> None:
    told = ovf_environment.properties(seed.of({"hostname": "a", "ssh_keys": KEYS, "password": "p", "user_data": ["#!/bin/sh\n", {"packages": ["a"]}]}))
    parts = decoded(base64.b64decode(told["user-data"]).decode())
    assert [kind for kind, _body in parts] == ["text/x-shellscript", "text/cloud-config", "text/cloud-config"]
    assert set(yaml.safe_load(parts[2][1])) == {"password", "chpasswd", "ssh_pwauth", "ssh_authorized_keys"}


def test_several_keys_reach_an_ovf_guest_as_user_data() -> None:
    one, two = (ovf_environment.properties(seed.of({"hostname": "a", "ssh_keys": KEYS[:number]})) for number in (1, 2))
    assert one["public-keys"] == KEYS[0] and "user-data" not in one
    assert "public-keys" not in two and yaml.safe_load(base64.b64decode(two["user-data"]))["ssh_authorized_keys"] == KEYS


@pytest.mark.parametrize("transport, more, why", [
    ("ovf", {"vendor_data": "x"}, "transport ovf carries no vendor_data"),
    ("opennebula", {"vendor_data": "x"}, "transport opennebula carries no vendor_data"),
    ("ec2", {"network": NETWORK}, "EC2 tells the network itself"),
    ("configdrive", {"network": {"version": 2, "bonds": {}}}, "network has bonds"),
    ("configdrive", {"network": {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}}, "no hardware address"),
    ("configdrive", {"network": {"version": 1, "config": [{"type": "vlan", "name": "v"}]}}, "config of v is of type vlan"),
    ("configdrive", {"network": {"version": 2, "ethernets": {"eth0": {**ETHERNET, "addresses": ["2001:db8::1/64"]}}}}, "no IPv4 address"),
    ("opennebula", {"network": {"version": 2, "ethernets": {"eth0": {**ETHERNET, "dhcp4": True}}}}, "not exactly one static address"),
    ("nocloud", {"network": {"version": 3}}, "no version 1 or 2"),
    ("nocloud", {"hostname": "a b"}, "'a b' is not a host name"),
    ("nocloud", {"hostname": "a\n"}, "is not a host name"),
    ("nocloud", {"instance_id": "a\nb"}, "is not an instance id"),
    ("nocloud", {"ssh_keys": ["two\nlines"]}, "SSH key 1 is not a public key"),
    ("nocloud", {"user_data": 7}, "a part of the data is a int"),
    ("nocloud", {"user_data": "a\0"}, "null byte"),
    ("nocloud", {"user_data": "\udc80"}, "not text of Unicode"),
])
def test_what_cannot_be_told_is_refused(transport: str, more: t.Dict[str, t.Any], why: str) -> None:
    with pytest.raises(Failure, match=re.escape(why)):
        made(transport, **more)


@pytest.mark.parametrize("given_, found", [
    ({"password": "x"}, ["a password"]),
    ({"user_data": "-----BEGIN OPENSSH PRIVATE KEY-----"}, ["a private key"]),
    ({"user_data": {"write_files": [{"content": "-----BEGIN RSA PRIVATE KEY-----\n"}]}}, ["a private key"]),
    ({"user_data": {"users": [{"hashed_passwd": "$6$abc"}]}}, ["a password"]),
    ({"user_data": "#!/bin/sh\nexport API_TOKEN=0123456789abcdef\n"}, ["a token"]),
    ({"vendor_data": "#include\nhttps://user:secret@example.org/\n"}, ["a login in a URL"]),
    ({"user_data": {"packages": ["passwd"], "ssh_pwauth": False}}, []),
    ({"user_data": "#cloud-config\npassword: null\n"}, []),
])
def test_secrets_are_noticed(given_: t.Dict[str, t.Any], found: t.List[str]) -> None:
    assert seed.secrets(given_) == found
