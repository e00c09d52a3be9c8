# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init reads from a directory: ``judge.py CLOUD_INIT TRANSPORT DIRECTORY``, as JSON. For the system's own Python."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

sys.path.append(sys.argv[1])

from cloudinit import user_data, util  # noqa: E402
from cloudinit.distros import debian  # noqa: E402
from cloudinit.helpers import Paths  # noqa: E402
from cloudinit.sources import DataSourceOpenNebula, DataSourceOVF  # noqa: E402
from cloudinit.sources.helpers import openstack  # noqa: E402

Answer = t.Dict[str, t.Any]


def nocloud(path: Path) -> Answer:
    told = util.pathprefix2dict(str(path), required=["user-data", "meta-data"], optional=["vendor-data", "network-config"])
    metadata = util.load_yaml(told["meta-data"])
    return {"hostname": metadata["local-hostname"], "instance_id": metadata["instance-id"], "keys": metadata.get("public-keys", []),
            "user_data": told["user-data"], "vendor_data": told.get("vendor-data", b"").decode(), "network": util.load_yaml(told.get("network-config", b"{}"))}


def configdrive(path: Path) -> Answer:
    told = openstack.ConfigDriveReader(str(path)).read_v2()
    metadata, network = told["metadata"], told.get("networkdata")
    known = {link["ethernet_mac_address"]: link["name"] for link in network["links"]} if network else {}
    return {"hostname": metadata["local-hostname"], "instance_id": metadata["instance-id"], "keys": list((metadata.get("public_keys") or {}).values()),
            "user_data": told.get("userdata") or b"", "vendor_data": json.dumps(told.get("vendordata")),
            "network": openstack.convert_net_json(network, known_macs=known) if network else None}


def opennebula(path: Path) -> Answer:
    told = DataSourceOpenNebula.read_context_disk_dir(str(path), debian.Distro("debian", {}, Paths({})))
    context = {name: value for name, value in told["metadata"].items() if isinstance(value, str)}
    network = DataSourceOpenNebula.OpenNebulaNetwork(context, None, system_nics_by_mac={"52:54:00:00:00:02": "eth0"}).gen_conf()
    return {"hostname": told["metadata"]["local-hostname"], "instance_id": None, "keys": told["metadata"].get("public-keys", []),
            "user_data": told["userdata"] or b"", "network": network}


def ovf(path: Path) -> Answer:
    _name, contents = DataSourceOVF.get_ovf_env(str(path))
    metadata, data, _config = DataSourceOVF.read_ovf_environment(contents, read_network=True)
    keys = metadata.get("public-keys", [])
    return {"hostname": metadata["local-hostname"], "instance_id": metadata["instance-id"], "keys": keys if isinstance(keys, list) else [keys],
            "user_data": data or b"", "network": metadata.get("network-config")}


def main() -> None:
    told = {"nocloud": nocloud, "configdrive": configdrive, "opennebula": opennebula, "ovf": ovf}[sys.argv[2]](Path(sys.argv[3]))
    data = told["user_data"] if isinstance(told["user_data"], bytes) else told["user_data"].encode()
    message = user_data.UserDataProcessor(Paths({})).process(data)
    parts = [part for part in message.walk() if not part.is_multipart()]
    config: Answer = {}
    for part in parts:
        if part.get_content_type() == "text/cloud-config":
            config = {**util.load_yaml(part.get_payload(decode=True)), **config}
    told.update({"user_data": data.decode(), "parts": [{"type": part.get_content_type()} for part in parts], "config": config})
    print(json.dumps(told, default=repr))


if __name__ == "__main__":
    main()
