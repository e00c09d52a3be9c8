# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of a stream that never rests: ``reader.py STREAM STOP``. It ends when the file STOP is there, or something is wrong.

It goes through the pointer for every single file, as one who asks a web server does.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import typing as t

Named = t.Iterator[t.Tuple[str, str, str]]  # path, algorithm, digest


def named(stream: str) -> Named:
    """Whatever the indexes name."""
    with open(f"{stream}/streams/v1/index.json", encoding="utf-8") as file:
        index = json.load(file)["index"]
    for entry in index.values():
        with open(f"{stream}/{entry['path']}", encoding="utf-8") as file:
            products = json.load(file)["products"].values()
        for version in (version for product in products for version in product["versions"].values()):
            for item in version["items"].values():
                yield item["path"], "sha256", item["sha256"]
    with open(f"{stream}/index", encoding="utf-8") as file:
        sections = file.read().split("\n\n")  # of the same name for each architecture, which configparser does not allow
    for section in sections:
        told = dict(line.split("=", 1) for line in section.splitlines()[1:])
        yield told["file"], "sha512", told["checksum[sha512]"]
    label = os.readlink(f"{stream}/latest-scratch")
    with open(f"{stream}/{label}/SHA256SUMS", encoding="utf-8") as file:
        for line in file:
            digest, name = line.rstrip("\n").split("  ")
            yield f"{label}/{name}", "sha256", digest


def main(stream: str, stop: str) -> int:
    """Read until told to stop."""
    rounds = files = 0
    while not os.path.exists(stop):
        rounds += 1
        for path, algorithm, expected in named(stream):
            with open(f"{stream}/{path}", "rb") as file:
                digest = hashlib.new(algorithm, file.read()).hexdigest()
            if digest != expected:
                print(f"round {rounds}: {path} has {algorithm} {digest}, the index says {expected}")
                return 1
            files += 1
    print(f"{rounds} rounds, {files} files, all of them as the indexes say")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
