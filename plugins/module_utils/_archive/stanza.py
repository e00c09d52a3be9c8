# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Debian control stanzas: the one syntax of control files, .dsc files and Release files (deb822(5))."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Fields = t.Dict[str, str]

_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)")
# Everything below a blank except tab, and delete: none belongs in a text file that apt reads line by line.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def parse(raw: bytes, action: str) -> Fields:
    """Read one stanza. Names come back as ``Multi-Arch`` whatever the case (names are case-insensitive);
    continuation lines keep their leading blank, joined by line feeds. action: for the Failure, 'take package x.deb'.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(action, "its control data is not UTF-8", "Build the package again") from error
    if _CONTROL_CHARACTERS.search(text):
        raise Failure(action, "its control data contains control characters", "Build the package again")
    fields: Fields = {}
    name = ""
    for line in text.strip("\n").split("\n"):
        if line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line
            continue
        match = _FIELD.fullmatch(line)
        if not match:
            raise Failure(action, f"its control data has the line {line[:60]!r}, which is no field", "Build the package again")
        name = "-".join(word.capitalize() for word in match.group(1).split("-"))
        if name in fields:
            raise Failure(action, f"its control data has the field {name} twice", "Build the package again")
        fields[name] = match.group(2).rstrip()
    return fields


def render(fields: t.Mapping[str, str]) -> str:
    """The stanza as text, ending in one line feed; a value that starts with a line feed begins on the next line."""
    return "".join(f"{name}:{value}\n" if value.startswith("\n") else f"{name}: {value}\n" for name, value in fields.items())
