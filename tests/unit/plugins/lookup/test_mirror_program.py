# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program a mirror host gets: the same bytes each time, and it runs without Ansible."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible import constants
from ansible.errors import AnsibleLookupError

from ansible_collections.egi.cmd.plugins.lookup.mirror_program import LookupModule


def test_the_program_runs_without_ansible(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    (path,) = LookupModule().run([])
    assert Path(path).read_bytes().startswith(b"#!/usr/bin/python3\n")
    done = subprocess.run([sys.executable, "-I", "-S", path, "--help"], stdout=subprocess.PIPE, text=True, check=True, cwd="/")
    assert "exit codes:" in done.stdout


def test_asked_twice_it_is_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    assert LookupModule().run([]) == LookupModule().run([])
    assert len(os.listdir(tmp_path)) == 1
    (other,) = LookupModule().run(["/opt/bin/python3.12"])
    assert Path(other).read_bytes().startswith(b"#!/opt/bin/python3.12\n")


@pytest.mark.parametrize("terms", [["python3"], [3], ["/usr/bin/python3", "/usr/bin/python3"]])
def test_what_is_no_python_is_refused(terms):
    with pytest.raises(AnsibleLookupError, match="path of one Python"):
        LookupModule().run(terms)
