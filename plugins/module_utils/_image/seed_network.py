# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The Ethernet interfaces of a network configuration, for transports that do not carry cloud-init's own form.

OpenStack and OpenNebula describe interfaces in words of their own. What both can say of versions 1 and 2 is read here;
everything else (bonds, VLANs, bridges, routes) is refused by name, because a half-told network is found out too late.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Interface(t.NamedTuple):
    """An Ethernet interface. mac: lower case; gateway: empty without one; nameservers, search: for names."""

    name: str
    mac: str
    dhcp4: bool
    addresses: t.Tuple[ipaddress.IPv4Interface, ...]
    gateway: str
    nameservers: t.Tuple[str, ...]
    search: t.Tuple[str, ...]


def interfaces(network: t.Mapping[str, t.Any]) -> t.List[Interface]:
    """The interfaces of a configuration of version 1 or 2, each with the hardware address it is found by."""
    if network["version"] == 2:
        _only(network, {"version", "renderer", "ethernets"}, "network")
        return [_ethernet(name, given) for name, given in sorted((network.get("ethernets") or {}).items())]
    _only(network, {"version", "config"}, "network")
    return [_physical(given) for given in network.get("config") or []]


def _ethernet(name: str, given: t.Mapping[str, t.Any]) -> Interface:
    where = f"ethernets.{name}"
    _only(given, {"match", "set-name", "dhcp4", "dhcp6", "addresses", "gateway4", "nameservers"}, where)
    if given.get("dhcp6"):
        raise _refusal(f"{where}.dhcp6 is not carried by this transport")
    names = given.get("nameservers") or {}
    _only(names, {"addresses", "search"}, f"{where}.nameservers")
    return Interface(name, _mac((given.get("match") or {}).get("macaddress"), where), bool(given.get("dhcp4")),
                     tuple(_address(one, where) for one in given.get("addresses") or ()), str(given.get("gateway4") or ""),
                     tuple(names.get("addresses") or ()), tuple(names.get("search") or ()))


def _physical(given: t.Mapping[str, t.Any]) -> Interface:
    where = f"config of {given.get('name')}"
    if given.get("type") != "physical":
        raise _refusal(f"{where} is of type {given.get('type')}, which this transport does not carry")
    _only(given, {"type", "name", "mac_address", "subnets"}, where)
    dhcp, addresses, gateway = False, [], ""
    servers: t.List[str] = []
    search: t.List[str] = []
    for subnet in given.get("subnets") or []:
        _only(subnet, {"type", "address", "netmask", "gateway", "dns_nameservers", "dns_search"}, where)
        if subnet.get("type") in ("dhcp", "dhcp4"):
            dhcp = True
        elif subnet.get("type") == "static":
            mask = f"/{subnet['netmask']}" if subnet.get("netmask") else ""
            addresses.append(_address(f"{subnet.get('address')}{mask}", where))
        else:
            raise _refusal(f"{where} has a subnet of type {subnet.get('type')}, which this transport does not carry")
        gateway = subnet.get("gateway") or gateway
        servers += subnet.get("dns_nameservers") or []
        search += subnet.get("dns_search") or []
    return Interface(str(given.get("name")), _mac(given.get("mac_address"), where), dhcp, tuple(addresses), gateway, tuple(servers), tuple(search))


def _only(given: t.Mapping[str, t.Any], known: t.Set[str], where: str) -> None:
    more = sorted(set(given) - known)
    if more:
        raise _refusal(f"{where} has {', '.join(more)}, which this transport does not carry")


def _mac(given: t.Any, where: str) -> str:
    mac = str(given or "").lower()
    if not _MAC.fullmatch(mac):
        raise _refusal(f"{where} has no hardware address, by which this transport finds an interface")
    return mac


def _address(given: t.Any, where: str) -> ipaddress.IPv4Interface:
    try:
        return ipaddress.IPv4Interface(str(given))
    except ValueError:
        raise _refusal(f"{where} has {given!r}, which is no IPv4 address with its prefix") from None


def _refusal(why: str) -> Failure:
    return Failure("make the seed", why, "Use transport nocloud, or say it in user_data")
