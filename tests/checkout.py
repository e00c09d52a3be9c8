# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the collection from the checkout this file is in, whatever its directory is called.

For scripts run by hand; unit tests get their import path from ansible-test.
"""

from __future__ import annotations

import importlib
import pathlib
import sys
import tempfile
import types

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def load(*names: str) -> list[types.ModuleType]:
    """Return modules of egi.cmd by their dotted names below the collection; call it once, with all of them."""
    with tempfile.TemporaryDirectory() as directory:
        link = pathlib.Path(directory, "ansible_collections", "egi", "cmd")
        link.parent.mkdir(parents=True)
        link.symlink_to(_ROOT)
        sys.path.insert(0, directory)
        try:
            return [importlib.import_module(f"ansible_collections.egi.cmd.{name}") for name in names]
        finally:
            sys.path.remove(directory)
