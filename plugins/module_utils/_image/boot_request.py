# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What is to be booted, how, and what is expected of it."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import boot_probe, qemu

# Raise it when the same image could get another verdict from what is new here.
_FORMAT = 1
FIRMWARE = ("bios", "uefi")
# Transport -> the data source cloud-init then has, as its result.json begins
DATASOURCES = {"nocloud": "DataSourceNoCloud", "configdrive": "DataSourceConfigDrive", "opennebula": "DataSourceOpenNebula",
               "ovf": "DataSourceOVF", "ec2": "DataSourceEc2", "none": ""}
_CHUNK = 1 << 20


class Expectation(t.NamedTuple):
    """What the guest has to be like. packages: exactly these, None for any; repositories: (name or empty, URI) that are enabled;
    priorities: package -> number that apt gives its candidate; install: packages that have to come from the overlay."""

    packages: t.Optional[t.Tuple[boot_probe.Package, ...]] = None
    repositories: t.Tuple[t.Tuple[str, str], ...] = ()
    priorities: t.Tuple[t.Tuple[str, int], ...] = ()
    install: t.Tuple[str, ...] = ()
    grows: bool = True


class Boot(t.NamedTuple):
    """One boot. sha256: of the image's file; mirror: (host name, directory) that is served to the guest; user_data: more parts."""

    image: str
    kind: str
    sha256: str
    architecture: str
    firmware: str
    transport: str
    memory: int
    cpu: str
    timeout: int
    mirror: t.Tuple[t.Tuple[str, str], ...]
    user_data: t.Tuple[t.Any, ...]
    expect: Expectation

    @property
    def title(self) -> str:
        """What is booted, for people."""
        return f"{os.path.basename(self.image)} with {self.firmware} and {self.transport}"

    @property
    def key(self) -> str:
        """The same for the same bytes, the same way to boot and the same expectations, wherever the image is."""
        told = [_FORMAT, *self._replace(image=os.path.basename(self.image), timeout=0)]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def report(self) -> str:
        """Name of the verdict's files, without their suffix."""
        return f"{os.path.basename(self.image)}.{self.firmware}.{self.transport}.{self.key[:16]}"


def of(given: t.Mapping[str, t.Any], digests: t.Dict[str, str]) -> Boot:
    """Check one item of the module's option ``boots``. digests: path -> SHA-256 that is known already; it is added to."""
    image = os.path.realpath(given["image"])
    if not os.path.isfile(image):
        raise _refusal(given["image"], "there is no such file", "Give the path of an image on this host")
    kind = given["format"] or qemu.FORMATS.get(os.path.splitext(image)[1])
    if not kind:
        raise _refusal(given["image"], "its name does not say its format", f"Set format; names that say it end in {', '.join(qemu.FORMATS)}")
    if image not in digests:
        digests[image] = sha256(image)
    mirror = tuple(sorted((one["host"].lower(), os.path.realpath(one["path"])) for one in given["mirror"]))
    for host, path in mirror:
        if not boot_probe.is_name(host) or not os.path.isdir(path):
            raise _refusal(given["image"], f"mirror {host} at {path} is no host with a directory", "Give a host name and a directory on this host")
    if given["memory"] < 64 or given["timeout"] < 1:
        raise _refusal(given["image"], "memory or timeout is too small", "Give at least 64 MiB and one second")
    if given["architecture"] == "i686" and given["firmware"] == "uefi":
        raise _refusal(given["image"], "there is no UEFI for i686", "Boot it with bios")
    data = given["user_data"]
    parts = tuple(data if isinstance(data, list) else [data] if data else [])
    boot = Boot(image, kind, digests[image], given["architecture"], given["firmware"], given["transport"], given["memory"], given["cpu"],
                given["timeout"], mirror, parts, _expectation(given["expect"] or {}, given["image"]))
    if (boot.expect.priorities or boot.expect.install) and not mirror:
        raise _refusal(given["image"], "priorities and install need packages, and the guest has no network", "Give the mirror that serves them")
    if boot.transport == "none" and (given["expect"] or mirror or parts):
        raise _refusal(given["image"], "without a transport nothing can be asked of the guest", "Leave expect, mirror and user_data out")
    return boot


def sha256(path: str) -> str:
    """Digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _expectation(given: t.Mapping[str, t.Any], image: str) -> Expectation:
    listed = given.get("packages")
    try:
        packages = None if listed is None else tuple(sorted(boot_probe.Package(one["name"], one["version"], one["architecture"]) for one in listed))
        repositories = tuple((one.get("name") or "", str(one["uri"]).rstrip("/")) for one in given.get("repositories") or ())
        priorities = tuple(sorted((name, int(number)) for name, number in (given.get("priorities") or {}).items()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _refusal(image, f"expect cannot be read: {error!r}", "Give packages and repositories as image.json has them, priorities as numbers") from None
    install = tuple(given.get("install") or ())
    wrong = [name for name in [*install, *(name for name, _number in priorities)] if not boot_probe.is_name(name)]
    if wrong:
        raise _refusal(image, f"{wrong[0]!r} is no package's name", "Check expect")
    return Expectation(packages, repositories, priorities, install, given.get("grows") is not False)


def _refusal(image: str, why: str, remedy: str) -> Failure:
    return Failure(f"boot {image}", why, remedy)
