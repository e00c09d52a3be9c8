# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a host says about itself, and the platform of a manifest that it therefore is."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_DEB = {
    "x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i386": "i386", "i686": "i386", "ppc64le": "ppc64el",
    "riscv64": "riscv64", "s390x": "s390x",
}
_RPM = {
    "amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64", "armv7l": "armv7hl",
    "i386": "i686", "i686": "i686", "ppc64le": "ppc64le", "ppc64el": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}
ARCHITECTURES: t.Dict[str, t.Dict[str, str]] = {"deb": _DEB, "rpm": _RPM}
"""Machine name to the word each family uses for it."""


class Host(t.NamedTuple):
    """The facts that decide: names as Ansible reports them, empty where it reports none."""

    distribution: str
    version: str
    major: str
    codename: str
    machine: str

    def __str__(self) -> str:
        words = [self.distribution, self.version or self.major, self.codename and f"({self.codename})",
                 self.machine and f"on {self.machine}"]
        return " ".join(word for word in words if word)


def host_from(facts: t.Any, action: str) -> Host:
    """Return the host that facts describe; names with and without the prefix ``ansible_`` are understood.

    action: for the error. Raises Failure when facts are no map or miss what decides.
    """
    if not isinstance(facts, t.Mapping):
        raise Failure(action, "the facts are not a map", "Pass ansible_facts")

    def fact(*names: str) -> str:
        for name in names:
            for key in (name, "ansible_" + name):
                if facts.get(key) not in (None, "", "NA"):
                    return str(facts[key])
        return ""

    host = Host(fact("distribution"), fact("distribution_version"), fact("distribution_major_version"),
                fact("distribution_release"), fact("architecture", "machine"))
    missing = [name for name, value in (
        ("distribution", host.distribution),
        ("distribution_version", host.version or host.major or host.codename),
        ("architecture", host.machine),
    ) if not value]
    if missing:
        raise Failure(action, f"the host's facts lack {', '.join(missing)}",
                      "Gather them first: gather_facts: true, or ansible.builtin.setup with filter ansible_distribution*"
                      " and ansible_architecture")
    return host


def platform_of(manifest: t.Mapping[str, t.Any], host: Host, action: str) -> str:
    """Return the id of the platform host is; the longest stated version wins. Raises Failure naming both sides."""
    fits = [name for name, platform in manifest["platforms"].items() if _fits(platform, host)]
    if not fits:
        has = ", ".join(f"{name} ({described(platform)})" for name, platform in manifest["platforms"].items())
        raise Failure(action, f"the host is {host}, and {manifest['name']} has the platforms {has}",
                      "Use a release that has the platform, or name one with platform=")
    return max(fits, key=lambda name: len(manifest["platforms"][name].get("version", "")))


def described(platform: t.Mapping[str, t.Any]) -> str:
    """Return a platform of a manifest in words, for errors."""
    words = ["/".join(platform["os"]), platform.get("version", ""), platform.get("codename", "")]
    text = " ".join(word for word in words if word)
    return f"{text} on {'/'.join(platform['architectures'])}" if "architectures" in platform else text


def architecture_of(platform: t.Mapping[str, t.Any], host: Host, action: str) -> str:
    """Return the family's word for the host's architecture. Raises Failure if the platform does not have it."""
    word = ARCHITECTURES[platform["format"]].get(host.machine, host.machine)
    if word not in platform.get("architectures", [word]):
        raise Failure(action, f"the host is {word}, and the platform has only {', '.join(platform['architectures'])}",
                      "Use a release built for this architecture")
    return word


def _fits(platform: t.Mapping[str, t.Any], host: Host) -> bool:
    if host.distribution not in platform["os"]:
        return False
    word = ARCHITECTURES[platform["format"]].get(host.machine, host.machine)
    if word not in platform.get("architectures", [word]):
        return False
    version, codename = platform.get("version"), platform.get("codename")
    if version is not None and not _version_fits(version, host):
        return False
    # A version that matches is enough where the host reports no codename.
    if codename is not None and (host.codename or version is None):
        return codename == host.codename
    return True


def _version_fits(stated: str, host: Host) -> bool:
    return stated == host.major or host.version == stated or host.version.startswith(stated + ".")
