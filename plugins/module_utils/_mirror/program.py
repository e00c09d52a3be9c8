# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""cmd-mirror as one file: a zip archive Python runs (zipapp), of exactly the modules the console imports.

The package path inside is the collection's own, so that the same code runs in Ansible's modules and here, without
Ansible. Unchanged sources give unchanged bytes.
"""

from __future__ import annotations

import ast
import io
import os
import typing as t
import zipfile

_PREFIX = ("ansible_collections", "egi", "cmd", "plugins", "module_utils")
_START = "_mirror.console"
_MAIN = """import sys

from {console} import main

sys.exit(main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest a zip archive knows


def build(module_utils: str, interpreter: str = "/usr/bin/python3") -> bytes:
    """Return the program. module_utils: the collection's directory of that name."""
    prefix = "/".join(_PREFIX)
    files: t.Dict[str, bytes] = {"__main__.py": _MAIN.format(console=".".join((*_PREFIX, _START))).encode()}
    for depth in range(1, len(_PREFIX) + 1):
        files["/".join((*_PREFIX[:depth], "__init__.py"))] = b""
    for path, content in _modules(module_utils).items():
        files[f"{prefix}/{path}"] = content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, files[name])
    return f"#!{interpreter}\n".encode() + archive.getvalue()


def _modules(module_utils: str) -> t.Dict[str, bytes]:
    """The console and everything it imports of module_utils, by path."""
    found: t.Dict[str, bytes] = {}
    waiting = [_START]
    while waiting:
        name = waiting.pop()
        path = name.replace(".", "/") + ".py"
        if not os.path.isfile(os.path.join(module_utils, path)):
            path = name.replace(".", "/") + "/__init__.py"
        if path in found:
            continue
        with open(os.path.join(module_utils, path), "rb") as file:
            found[path] = file.read()
        package = name.rpartition(".")[0]
        waiting += [package] if package else []
        waiting += _imported(found[path], module_utils)
    return found


def _imported(source: bytes, module_utils: str) -> t.Iterator[str]:
    """The modules of module_utils a module imports, anywhere in it."""
    top = ".".join(_PREFIX) + "."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(top):
            inner = node.module[len(top):]
            for alias in node.names:
                name = f"{inner}.{alias.name}" if inner else alias.name
                path = os.path.join(module_utils, *name.split("."))
                yield name if os.path.isfile(f"{path}.py") or os.path.isdir(path) else inner
