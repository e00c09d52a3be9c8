# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How cmd-mirror starts: Python compiles what it imports in every run, and most runs find nothing new."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

from ansible_collections.egi.cmd.plugins.module_utils._mirror import program

# What only some commands, or only one family of upstreams, or only a run with news needs.
_FOR_SOME = ("bundle", "bundle_export", "bundle_import", "deb_upstream", "iso_read", "iso_write", "rebuild", "rebuilding", "rpm_upstream", "scrub", "verify")


def test_what_only_some_runs_need_is_imported_by_those(tmp_path: pathlib.Path) -> None:
    cmd_mirror = tmp_path / "cmd-mirror"
    cmd_mirror.write_bytes(program.build(str(pathlib.Path(program.__file__).resolve().parents[1])))
    done = subprocess.run([sys.executable, "-I", "-S", "-X", "importtime", str(cmd_mirror), "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, cwd="/", check=True)
    imported = set(re.findall(r"\._mirror\.(\w+)$", done.stderr, re.MULTILINE))
    assert "console" in imported
    assert not imported & set(_FOR_SOME)
