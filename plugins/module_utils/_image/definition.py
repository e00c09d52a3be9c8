# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What an image is to be: the definition's fields, every rule they have to keep, and the typed model. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss, shown

RULES: t.Dict[str, str] = {
    "field-unknown": "every field is one that somebody reads",
    "field-missing": "name, platform and epoch are given; so are base, or external instead of it",
    "field-value": "every value is of its field's type and range",
    "release-missing": "snapshot, opt_in and release_packages are of a release",
    "base-repository": "the base distribution's repositories are named, each with its keys",
    "base-security": "the base distribution's security suite is among them, or without_security says why it is not",
    "external-alone": "a disk built elsewhere has one variant and one architecture, and nothing to install",
    "container-alone": "fields of a disk are for variants that have one",
    "package-twice": "a package is named once",
}
"""What a definition has to keep, by rule id. docs/image.md prints this table."""

VARIANTS = ("generic", "ec2", "container")
ARCHITECTURES = ("x86_64", "i686", "aarch64")
KERNELS = {"x86_64": "linux-image-cloud-amd64", "i686": "linux-image-686", "aarch64": "linux-image-arm64"}
"""Debian's; other distributions say their own."""
SYSTEM_PACKAGES = (
    "cloud-guest-utils", "cloud-init", "dbus", "e2fsprogs", "fdisk", "ifupdown", "initramfs-tools", "iproute2", "isc-dhcp-client", "netbase",
    "openssh-server", "sudo", "systemd-sysv", "udev",
)
"""What a Debian needs, besides a kernel, to boot as a guest, to take its configuration and to grow to the size of its disk."""

MEBIBYTE = 1 << 20
_UNITS = {"MiB": MEBIBYTE, "GiB": 1 << 30}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*(?:=[A-Za-z0-9.+:~-]+)?\Z")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,16}\Z")  # ext4's volume label has 16 bytes
_SIZE = re.compile(r"([1-9][0-9]{0,6})(MiB|GiB)\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_WORD = re.compile(r"[!-~]+\Z")
_SECURITY_SUITE = re.compile(r".+[-/]security\Z|.+/updates\Z")

FIELDS = (
    "name", "release", "platform", "snapshot", "opt_in", "variants", "architectures", "base", "mirrors", "packages", "release_packages", "kernel",
    "system_packages", "post", "size", "root_label", "epoch", "minimum_memory", "external",
)
_BASE_FIELDS = ("name", "repositories", "without_security")
_EXTERNAL_FIELDS = ("path", "sha256", "boot")

Data = t.Mapping[str, t.Any]


class Problem(t.NamedTuple):
    """A rule that is not kept. place: dotted path of the field."""

    rule: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text} ({self.rule})"


class Base(t.NamedTuple):
    """The base distribution. repositories: as _host.repository takes them."""

    name: str
    repositories: t.Tuple[t.Dict[str, t.Any], ...]


class External(t.NamedTuple):
    """A raw disk that was built elsewhere. boot: firmware it is made for."""

    path: str
    sha256: str
    boot: t.Tuple[str, ...]


class Definition(t.NamedTuple):
    """A checked definition. size in bytes; epoch: the one time that everything in the image bears; minimum_memory in MiB.
    mirrors: start of a URL -> where the build finds the same. system_packages: None for the family's own."""

    name: str
    release: t.Optional[Data]
    platform: str
    snapshot: str
    opt_in: t.Tuple[str, ...]
    variants: t.Tuple[str, ...]
    architectures: t.Tuple[str, ...]
    base: t.Optional[Base]
    mirrors: t.Dict[str, str]
    packages: t.Tuple[str, ...]
    release_packages: t.Tuple[str, ...]
    kernel: t.Dict[str, str]
    system_packages: t.Optional[t.Tuple[str, ...]]
    post: str
    size: int
    root_label: str
    epoch: int
    minimum_memory: int
    external: t.Optional[External]


def problems(data: t.Any) -> t.List[Problem]:
    """Return every rule that a definition does not keep, in the order of its fields."""
    return _Reader(data).read()[1]


def parse(data: t.Any) -> Definition:
    """Return a checked definition. Raises Failure with a line for every problem."""
    definition, found = _Reader(data).read()
    if found:
        name = data.get("name") if isinstance(data, t.Mapping) else None
        raise Failure(f"read the image definition {name or ''}".rstrip(), "; ".join(map(str, found)), "docs/image.md explains every field and rule")
    return definition


class _Reader:
    """Reads all fields, and keeps what is wrong with them."""

    def __init__(self, data: t.Any) -> None:
        self.data: Data = data if isinstance(data, t.Mapping) else {}
        self.found: t.List[Problem] = []
        if not isinstance(data, t.Mapping):
            self._wrong("field-value", "definition", f"expected a map, got {shown(data)}")

    def read(self) -> t.Tuple[Definition, t.List[Problem]]:
        self._known("", self.data, FIELDS)
        external = self._external()
        definition = Definition(
            name=self._text("name", _NAME, "lower-case letters, digits, dots and hyphens", required=True),
            release=self._map("release") or None, platform=self._text("platform", _NAME, "what the system is, such as bookworm or el9", required=True),
            snapshot=self._text("snapshot", _WORD, "the name of a snapshot"), opt_in=self._texts("opt_in", _NAME, "a kind of repository"),
            variants=self._choices("variants", VARIANTS, ("generic",)), architectures=self._choices("architectures", ARCHITECTURES, ("x86_64",)),
            base=self._base(), mirrors=self._mirrors(), packages=self._texts("packages", _PACKAGE, "a package"),
            release_packages=self._texts("release_packages", _PACKAGE, "a package"), kernel=self._kernel(),
            system_packages=self._texts("system_packages", _PACKAGE, "a package") if "system_packages" in self.data else None,
            post=self._script(), size=self._size(), root_label=self._text("root_label", _LABEL, "at most 16 letters, digits, _ and -") or "cloudroot",
            epoch=self._number("epoch", 0, 1 << 32, None), minimum_memory=self._number("minimum_memory", 64, 1 << 20, 512), external=external,
        )
        self._together(definition)
        return definition, self.found

    def _wrong(self, rule: str, place: str, text: str) -> None:
        self.found.append(Problem(rule, place, text))

    def _known(self, place: str, data: Data, fields: t.Sequence[str]) -> None:
        for name in data:
            if name not in fields:
                self._wrong("field-unknown", f"{place}{name}", f"there is no such field{near_miss(name, fields)}")

    def _text(self, field: str, pattern: t.Pattern[str], expected: str, required: bool = False) -> str:
        value = self.data.get(field)
        if value is None or value == "":
            if required:
                self._wrong("field-missing", field, f"expected {expected}, got nothing")
            return ""
        if not isinstance(value, str) or not pattern.match(value):
            self._wrong("field-value", field, f"expected {expected}, got {shown(value)}")
            return ""
        return value

    def _texts(self, field: str, pattern: t.Pattern[str], expected: str) -> t.Tuple[str, ...]:
        values = self._list(field)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not pattern.match(value):
                self._wrong("field-value", f"{field}[{index}]", f"expected {expected}, got {shown(value)}")
        return tuple(sorted({str(value) for value in values}))

    def _list(self, field: str) -> t.Sequence[t.Any]:
        value = self.data.get(field)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            self._wrong("field-value", field, f"expected a list, got {shown(value)}")
            return []
        return value

    def _map(self, field: str) -> Data:
        value = self.data.get(field)
        if value is None:
            return {}
        if not isinstance(value, t.Mapping):
            self._wrong("field-value", field, f"expected a map, got {shown(value)}")
            return {}
        return value

    def _choices(self, field: str, known: t.Sequence[str], default: t.Tuple[str, ...]) -> t.Tuple[str, ...]:
        values = self._list(field) or default
        for index, value in enumerate(values):
            if value not in known:
                self._wrong("field-value", f"{field}[{index}]", f"expected one of {', '.join(known)}, got {shown(value)}{near_miss(value, known)}")
        return tuple(one for one in known if one in values)

    def _number(self, field: str, least: int, most: int, default: t.Optional[int]) -> int:
        value = self.data.get(field, default)
        if value is None:
            self._wrong("field-missing", field, "expected seconds since 1970, got nothing")
        elif isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
            self._wrong("field-value", field, f"expected a whole number from {least} to {most - 1}, got {shown(value)}")
        else:
            return value
        return 0

    def _size(self) -> int:
        value = self.data.get("size", "2GiB")
        match = _SIZE.match(value) if isinstance(value, str) else None
        if not match:
            self._wrong("field-value", "size", f"expected a number of MiB or GiB such as 2GiB, got {shown(value)}")
            return MEBIBYTE
        return int(match.group(1)) * _UNITS[match.group(2)]

    def _script(self) -> str:
        value = self.data.get("post") or ""
        if not isinstance(value, str) or "\0" in value:
            self._wrong("field-value", "post", f"expected the text of a shell script, got {shown(value)}")
            return ""
        return value

    def _mirrors(self) -> t.Dict[str, str]:
        mirrors = {}
        for real, place in self._map("mirrors").items():
            if not all(isinstance(url, str) and re.match(r"(?:https?|file)://[!-~]+\Z", url) for url in (real, place)):
                self._wrong("field-value", f"mirrors.{real}", f"expected the start of a URL and where the build finds it, got {shown(place)}")
            else:
                mirrors[real] = place
        return mirrors

    def _kernel(self) -> t.Dict[str, str]:
        kernels = dict(KERNELS)
        for architecture, package in self._map("kernel").items():
            if architecture not in ARCHITECTURES or not isinstance(package, str) or not _PACKAGE.match(package):
                self._wrong("field-value", f"kernel.{architecture}", f"expected a package for one of {', '.join(ARCHITECTURES)}, got {shown(package)}")
            else:
                kernels[architecture] = package
        return kernels

    def _base(self) -> t.Optional[Base]:
        data = self._map("base")
        if not data:
            return None
        self._known("base.", data, _BASE_FIELDS)
        entries = data.get("repositories")
        if not isinstance(entries, (list, tuple)) or not entries or not all(isinstance(entry, t.Mapping) for entry in entries):
            self._wrong("base-repository", "base.repositories", "expected repositories as egi.cmd.repository_set takes them")
            return None
        name = data.get("name", "base")
        if not isinstance(name, str) or not _NAME.match(name):
            self._wrong("field-value", "base.name", f"expected a short name such as debian, got {shown(name)}")
            return None
        secured = any(entry.get("kind") == "security" or _SECURITY_SUITE.match(str(entry.get("suite"))) for entry in entries)
        if any("uris" in entry for entry in entries) and not secured and not data.get("without_security"):
            suites = ", ".join(str(entry.get("suite")) for entry in entries)
            self._wrong("base-security", "base.repositories", f"there is no security suite among {suites}: its fixes would be missing")
        return Base(name, tuple({"band": "distribution", **entry} for entry in entries))

    def _external(self) -> t.Optional[External]:
        data = self._map("external")
        if not data:
            return None
        self._known("external.", data, _EXTERNAL_FIELDS)
        boot = data.get("boot") or ["bios"]
        right = isinstance(data.get("path"), str) and data["path"].startswith("/") and _SHA256.match(str(data.get("sha256")))
        if not right or not isinstance(boot, (list, tuple)) or not set(map(str, boot)) <= {"bios", "uefi"}:
            self._wrong("field-value", "external", "expected path (absolute), sha256 (64 hexadecimal digits) and boot (bios, uefi)")
            return None
        return External(data["path"], str(data["sha256"]), tuple(sorted(map(str, boot))))

    def _together(self, one: Definition) -> None:
        if self.found:
            return
        if one.release is None and (one.snapshot or one.release_packages or one.opt_in):
            self._wrong("release-missing", "release", "expected a release, because snapshot, opt_in or release_packages is given")
        if one.base is None and one.external is None:
            self._wrong("field-missing", "base", "expected the base distribution, or external: a disk built elsewhere")
        if one.external and (one.base or one.packages or one.release_packages or one.post or len(one.variants) + len(one.architectures) > 2):
            self._wrong("external-alone", "external", "expected one variant, one architecture, and no base, packages or post")
        if one.external and "container" in one.variants:
            self._wrong("external-alone", "variants", "expected a variant with a disk")
        if one.variants == ("container",) and any(field in self.data for field in ("size", "kernel", "root_label", "minimum_memory")):
            self._wrong("container-alone", "variants", "a container has no disk: expected no size, kernel, root_label and minimum_memory")
        names = [name.partition("=")[0] for name in (*one.packages, *one.release_packages)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self._wrong("package-twice", "packages", f"{name} is named twice")
