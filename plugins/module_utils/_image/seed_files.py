# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One seed, as the files of every transport: what cloud-init's data sources look for, by label and path."""

from __future__ import annotations

import base64
import json
import typing as t
import uuid

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ovf_environment
from ansible_collections.egi.cmd.plugins.module_utils._image import seed as seeds
from ansible_collections.egi.cmd.plugins.module_utils._image.seed_network import interfaces

Files = t.Dict[str, bytes]
# Transport -> name of its disc; without one, the files are a directory that is served.
LABELS = {"nocloud": "cidata", "configdrive": "config-2", "opennebula": "CONTEXT", "ovf": "OVF-TRANSPORT"}
TRANSPORTS = (*LABELS, "ec2")
_UUIDS = uuid.UUID("6c1fd3a5-0ae4-5cf0-9d5d-1b6a5d3b9b11")  # a name space of our own


def files(seed: seeds.Seed, transport: str) -> Files:
    """Path -> content of a seed for a transport of TRANSPORTS."""
    return _MAKERS[transport](seed)


def _nocloud(seed: seeds.Seed) -> Files:
    told = {"instance-id": seed.instance_id, "local-hostname": seed.hostname, **({"public-keys": list(seed.ssh_keys)} if seed.ssh_keys else {})}
    # Without the file user-data there is no seed, even if it has nothing to say.
    made = {"meta-data": f"{seeds.yaml(told)}\n", "user-data": seed.user_data}
    if seed.vendor_data:
        made["vendor-data"] = seed.vendor_data
    if seed.network:
        made["network-config"] = f"{seeds.yaml(seed.network)}\n"
    return _encoded(made)


def _configdrive(seed: seeds.Seed) -> Files:
    # The data source takes the uuid for its instance id, and OpenStack's own readers want it to be one.
    told: t.Dict[str, t.Any] = {"uuid": str(uuid.uuid5(_UUIDS, seed.instance_id)), "name": seed.hostname, "hostname": seed.hostname}
    if seed.ssh_keys:
        told["public_keys"] = {f"key{number}": key for number, key in enumerate(seed.ssh_keys)}
    made = {"meta_data.json": _json(told)}
    if seed.user_data:
        made["user_data"] = seed.user_data
    if seed.vendor_data:
        made["vendor_data.json"] = _json({"cloud-init": seed.vendor_data})
    if seed.network:
        made["network_data.json"] = _json(_openstack_network(seed.network))
    return {f"openstack/latest/{name}": content for name, content in _encoded(made).items()}


def _openstack_network(network: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    links, networks = [], []
    for one in interfaces(network):
        links.append({"id": one.name, "name": one.name, "type": "phy", "ethernet_mac_address": one.mac})
        if one.dhcp4:
            networks.append({"id": f"{one.name}-dhcp", "link": one.name, "type": "ipv4_dhcp"})
        for number, address in enumerate(one.addresses):
            static: t.Dict[str, t.Any] = {"id": f"{one.name}-{number}", "link": one.name, "type": "ipv4",
                                          "ip_address": str(address.ip), "netmask": str(address.netmask)}
            if number == 0:
                static.update({"gateway": one.gateway} if one.gateway else {})
                static.update({"dns_nameservers": list(one.nameservers)} if one.nameservers else {})
                static.update({"dns_search": list(one.search)} if one.search else {})
            networks.append(static)
    return {"links": links, "networks": networks, "services": []}


def _opennebula(seed: seeds.Seed) -> Files:
    _without_vendor_data(seed, "opennebula")
    told = {"SET_HOSTNAME": seed.hostname}
    if seed.ssh_keys:
        told["SSH_PUBLIC_KEY"] = "\n".join(seed.ssh_keys)
    if seed.user_data:
        told.update({"USER_DATA": base64.b64encode(seed.user_data.encode()).decode(), "USERDATA_ENCODING": "base64"})
    for number, one in enumerate(interfaces(seed.network) if seed.network else []):
        if one.dhcp4 or len(one.addresses) != 1:
            raise Failure("make the seed", f"{one.name} has not exactly one static address, and OpenNebula tells nothing else",
                          "Give it one, or leave network out")
        more = {"GATEWAY": one.gateway, "DNS": " ".join(one.nameservers), "SEARCH_DOMAIN": " ".join(one.search)}
        told.update({f"ETH{number}_MAC": one.mac, f"ETH{number}_IP": str(one.addresses[0].ip), f"ETH{number}_MASK": str(one.addresses[0].netmask)})
        told.update({f"ETH{number}_{name}": value for name, value in more.items() if value})
    return _encoded({"context.sh": "".join(f"{name}={shell_quoted(value)}\n" for name, value in told.items())})


def shell_quoted(text: str) -> str:
    """Text as one word of any shell: nothing in it is expanded."""
    return "'" + text.replace("'", "'\\''") + "'"


def _ovf(seed: seeds.Seed) -> Files:
    _without_vendor_data(seed, "ovf")
    return {"ovf-env.xml": ovf_environment.document(ovf_environment.properties(seed), seed.hostname)}


def _ec2(seed: seeds.Seed) -> Files:
    """The tree of the EC2 instance metadata service; whoever serves it answers requests for any version with ``latest``."""
    _without_vendor_data(seed, "ec2")
    if seed.network:
        raise Failure("make the seed", "EC2 tells the network itself", "Leave network out")
    made = {
        "meta-data/instance-id": seed.instance_id, "meta-data/hostname": seed.hostname, "meta-data/local-hostname": seed.hostname,
        "meta-data/ami-id": "ami-00000000", "meta-data/instance-type": "t3.micro", "meta-data/placement/availability-zone": "test-1a",
        "dynamic/instance-identity/document": _json({"instanceId": seed.instance_id, "region": "test-1", "availabilityZone": "test-1a"}),
    }
    made.update({f"meta-data/public-keys/{number}/openssh-key": key for number, key in enumerate(seed.ssh_keys)})
    if seed.user_data:
        made["user-data"] = seed.user_data
    return {f"latest/{path}": content for path, content in _encoded(made).items()}


def _without_vendor_data(seed: seeds.Seed, transport: str) -> None:
    if seed.vendor_data:
        raise Failure("make the seed", f"transport {transport} carries no vendor_data", "Put it into user_data, as one more part")


def _encoded(made: t.Mapping[str, str]) -> Files:
    return {path: text.encode() for path, text in made.items()}


def _json(value: t.Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


_MAKERS: t.Dict[str, t.Callable[[seeds.Seed], Files]] = {
    "nocloud": _nocloud, "configdrive": _configdrive, "opennebula": _opennebula, "ovf": _ovf, "ec2": _ec2}
