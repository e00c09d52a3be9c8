# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a generation holds of one source: a text file of columns, which Python reads several times faster than rows.

    egi.cmd mirror manifest 1
    documents <n>      metadata, real files:                    n paths, n sizes, n SHA-256, one a line
    large <n>          metadata, links to the store:            the same
    earlier <n>        links an earlier generation had, kept for readers who are half way: the same
    entries <n>        packages: the same, then n names, n versions, n architectures
    upstream <n>       the upstream's own metadata, of which the rest was rebuilt: in the store and not published; the
                       first three columns again. Left out where there is none.
"""

from __future__ import annotations

import gc
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted

_HEAD = "egi.cmd mirror manifest 1"


class Manifest(t.NamedTuple):
    """The files of one source in one generation."""

    documents: t.List[Wanted]
    large: t.List[Wanted]
    earlier: t.List[Wanted]
    entries: t.List[Entry]
    upstream: t.Sequence[Wanted] = ()

    def linked(self) -> t.Iterator[Wanted]:
        """Every file readers get from the store."""
        yield from self.large
        yield from self.earlier
        for entry in self.entries:
            yield entry.wanted

    def in_store(self) -> t.Iterator[Wanted]:
        """Every file whose content is in the store."""
        yield from self.linked()
        yield from self.upstream


def write(path: str, manifest: Manifest) -> None:
    """Write a manifest to a new file."""
    lines = [_HEAD]
    for name, files in (("documents", manifest.documents), ("large", manifest.large), ("earlier", manifest.earlier)):
        lines.append(f"{name} {len(files)}")
        lines += _columns(files)
    lines.append(f"entries {len(manifest.entries)}")
    lines += _columns([entry.wanted for entry in manifest.entries])
    for column in ("package", "version", "architecture"):
        lines += [getattr(entry, column) for entry in manifest.entries]
    if manifest.upstream:
        lines += [f"upstream {len(manifest.upstream)}", *_columns(manifest.upstream)]
    text = "\n".join(lines) + "\n"
    if text.count("\n") != len(lines):
        raise Failure("write what a generation holds", "a package's name or version holds a line feed", "Tell the upstream; nothing was published")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def load(path: str, entries: bool = True) -> Manifest:
    """Read a manifest; 63 thousand packages take less than a tenth of a second. entries: whether packages are wanted."""
    collecting = gc.isenabled()
    gc.disable()  # it would look through every tuple again and again while none can be garbage: twice the time
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = file.read().split("\n")
        return _parsed(lines, entries)
    except (OSError, ValueError) as error:
        raise Failure(f"read {path}", str(error), "Delete this snapshot; the next sync makes a new one") from error
    finally:
        if collecting:
            gc.enable()


def _columns(files: t.Sequence[Wanted]) -> t.List[str]:
    return [file.path for file in files] + [str(file.size) for file in files] + [file.sha256 for file in files]


def _parsed(lines: t.List[str], with_entries: bool) -> Manifest:
    if lines[0] != _HEAD:
        raise ValueError("it is no manifest of this version")
    position = 1
    sections: t.List[t.List[t.List[str]]] = []
    for name, width in (("documents", 3), ("large", 3), ("earlier", 3), ("entries", 6), ("upstream", 3)):
        if name == "upstream" and lines[position:] == [""]:
            sections.append([[]] * width)
            break
        word, _space, count = lines[position].partition(" ") if position < len(lines) else ("", "", "")
        if word != name:
            raise ValueError(f"line {position + 1} is not the start of the section {name}")
        rows = int(count)
        starts = [position + 1 + rows * column for column in range(width)]
        sections.append([lines[start:start + rows] for start in starts])
        position += 1 + rows * width
    if lines[position:] != [""]:
        raise ValueError("it was cut off, or something was added")
    if not with_entries:
        sections[3] = [[]] * 6
    documents, large, earlier, entries, upstream = ([Wanted(*row) for row in zip(columns[0], map(int, columns[1]), columns[2])] for columns in sections)
    return Manifest(documents, large, earlier, list(map(Entry, entries, *sections[3][3:])), tuple(upstream))
