# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Options of the modules of holds, as Ansible takes their declaration."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion import parameters

_Options = t.Dict[str, t.Any]
_WORD: _Options = {"type": "str", "required": True}
_TEXT: _Options = {"type": "str", "default": ""}
_NAMES: _Options = {"type": "list", "elements": "str", "default": []}
_FILES: _Options = {"path": {"type": "path", "required": True}, "sha256": _WORD, "platform": _WORD}
_VERDICT: _Options = {"type": "str", "choices": ["pass", "fail"], "required": True}
_HOLD: _Options = {
    "name": _WORD, "packages": _NAMES, "platforms": _NAMES, "bad": {"type": "raw"}, "reason": {"type": "str"}, "link": {"type": "str"},
    "expires": {"type": "str"}, "test": _NAMES, "fixed_in": _TEXT,
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILES},
}

DESK: _Options = {name: parameters.ARGUMENTS[name] for name in ("path", "release", "mirror_root", "day")}
"""Argument spec of the options in the doc fragment egi.cmd.desk."""

ARGUMENTS: _Options = {
    **DESK,
    "key_home": {"type": "path", "required": True, "no_log": False},
    "signing_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
    "base": {
        "type": "list", "elements": "dict", "default": [],
        "options": {"platform": _WORD, "root": {"type": "path", "required": True}, "set": _WORD},
    },
    "state": {"type": "str", "choices": ["opened", "reviewed", "lifted"], "required": True},
    "names": _NAMES,
    "holds": {"type": "list", "elements": "dict", "default": [], "options": _HOLD},
    "verdicts": {"type": "list", "elements": "dict", "default": [], "options": {"name": _WORD, "verdict": _VERDICT, "text": _TEXT}},
    "fail_on_expired": {"type": "bool", "default": False},
    "test_timeout": {"type": "int", "default": 3600},
    "by": _WORD,
}
"""Argument spec of egi.cmd.holdback."""
