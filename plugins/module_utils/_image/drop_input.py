# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Read what builders and testers wrote: image.json of a cell, the verdict of a boot. Nothing else of theirs is trusted."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Json = t.Dict[str, t.Any]
FIRMWARE = ("bios", "uefi")
TRANSPORTS = ("nocloud", "configdrive", "opennebula", "ovf", "ec2", "none")
VARIANTS = ("generic", "ec2", "container")
_FORMATS = ("qcow2", "raw.tar.xz", "vmdk", "vhd", "ova", "ovf", "tar.xz")
_LARGEST = 64 << 20  # bytes; the list of packages of a large image has less than a tenth of it
_SHA256, _SHA512 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{128}")
# It is a file's name, a part of URLs and of lines of checksums, and a section of an index: nothing that needs quoting.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_WORD = re.compile(r"[\x20-\x7e\u00a0-\uffff]{1,1000}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|\+00:00)")

_Check = t.Callable[[t.Any], bool]


def _matches(pattern: t.Pattern[str]) -> _Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _number(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _one_of(*values: str) -> _Check:
    return lambda value: value in values


def _text(value: t.Any) -> bool:
    return isinstance(value, str)


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _list_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def _object(**fields: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(name in value and check(value[name]) for name, check in fields.items())


_NAMED, _WORDED = _matches(_NAME), _matches(_WORD)
_FILE = _object(name=_NAMED, format=_one_of(*_FORMATS), size=_number, sha256=_matches(_SHA256), sha512=_matches(_SHA512))
_DISK = _object(virtual_size=_number, sha256=_matches(_SHA256), boot=_list_of(_one_of(*FIRMWARE)), root_label=_text, minimum_memory=_number)
_PACKAGE = _object(name=_WORDED, version=_WORDED, architecture=_WORDED, source=_or_null(_text), source_version=_or_null(_text), origin=_or_null(_text))
_REPOSITORY = _object(name=_WORDED, kind=_or_null(_text), uri=_text)

_IMAGE: t.Dict[str, _Check] = {
    "name": _NAMED, "release": _WORDED, "platform": _or_null(_NAMED), "variant": _one_of(*VARIANTS), "architecture": _one_of("x86_64", "i686", "aarch64"),
    "snapshot": _or_null(_WORDED), "source_date_epoch": _number, "definition": _WORDED, "disk": _or_null(_DISK), "files": _list_of(_FILE),
    "packages": _list_of(_PACKAGE), "repositories": _list_of(_REPOSITORY), "tools": lambda value: isinstance(value, dict),
}
_VERDICT: t.Dict[str, _Check] = {
    "image": _object(name=_WORDED, sha256=_matches(_SHA256)), "disk_sha256": _or_null(_matches(_SHA256)), "firmware": _one_of(*FIRMWARE),
    "transport": _one_of(*TRANSPORTS), "accelerator": _WORDED, "verdict": _one_of("pass", "fail", "inconclusive"), "reason": _NAMED, "why": _text,
    "checks": _list_of(lambda value: isinstance(value, dict)), "time": _matches(_TIME),
}


def image(path: str) -> Json:
    """A cell's result from its image.json. Raises Failure for what is none, and for one that names no file."""
    data = _read(path, "image", _IMAGE)
    names = [file["name"] for file in data["files"]]
    if not names or len(set(names)) != len(names):
        raise Failure(f"read image {path}", "it names no file, or the same file twice", "Build the image again")
    return data


def verdict(path: str) -> Json:
    """A boot's verdict. Where its console and screenshot were kept is the tester's own, and left out."""
    data = _read(path, "boot report", _VERDICT)
    return {name: value for name, value in data.items() if name not in ("console", "screenshot")}


def _read(path: str, what: str, shape: t.Mapping[str, _Check]) -> Json:
    action = f"read {what} {path}"
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        raise Failure(action, error.strerror or str(error), "Name a file that is there and can be read") from error
    if len(text) > _LARGEST:
        raise Failure(action, f"it is larger than {_LARGEST >> 20} MiB", "Name the right file")
    try:
        data = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Failure(action, f"it is no JSON: {error}", "Name the right file") from error
    if not isinstance(data, dict) or data.get("schema") != 1:
        raise Failure(action, "it is not of schema 1", f"Name a file that this collection wrote for a {what}")
    for name, check in shape.items():
        if name not in data or not check(data[name]):
            raise Failure(action, f"{name} is {'not what it should be' if name in data else 'missing'}", f"Make the {what} again")
    return data
