# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a person sees: bars on a terminal, a line now and then in a log, tables."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import Change, Version
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import Progress

_REDRAW = 0.1  # seconds
_LINE = 10.0  # seconds between two lines of progress where there is no terminal


class Display:
    """Standard error: progress and warnings. Standard output belongs to results. Safe for threads.

    line: takes the lines instead of standard error."""

    def __init__(self, quiet: bool, line: t.Optional[t.Callable[[str], None]] = None) -> None:
        self._quiet = quiet
        self._terminal = line is None and sys.stderr.isatty()
        self._line = line or _to_standard_error
        self._last = time.monotonic() if not self._terminal else 0.0
        self._started: t.Dict[str, float] = {}
        self._drawn = False
        self._lock = threading.Lock()

    def progress(self, what: str, progress: Progress) -> None:
        """Show how far a fetch is."""
        self.amount(what, progress.size, progress.size_total, f"{progress.files}/{progress.files_total} files")

    def amount(self, what: str, done: int, total: int, more: str = "") -> None:
        """Show how many of total bytes are done."""
        with self._lock:
            now = time.monotonic()
            started = self._started.setdefault(what, now)
            if self._quiet or now - self._last < (_REDRAW if self._terminal else _LINE):
                return
            self._last = now
            rate = done / (now - started) if now - started > 0.5 else 0.0
            text = f"{what}: {size(done)} of {size(total)}" + (f", {more}" if more else "") + (f", {size(rate)}/s" if rate else "")
            if self._terminal:
                self._draw(done / total if total else 1.0, text)
            else:
                self._line(text)

    def clear(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._drawn:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
                self._drawn = False

    def say(self, text: str) -> None:
        """Write a line for a person, past the bar."""
        self.clear()
        self._line(text)

    def _draw(self, share: float, text: str) -> None:
        width = shutil.get_terminal_size().columns
        cells = max(0, min(30, width - len(text) - 4))
        full = int(cells * min(share, 1.0))
        drawn = f"[{'#' * full}{'.' * (cells - full)}] " if cells >= 5 else ""
        sys.stderr.write(f"\r\x1b[K{(drawn + text)[:width - 1]}")
        sys.stderr.flush()
        self._drawn = True


def _to_standard_error(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def size(amount: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def moment(seconds: float) -> str:
    """A unix time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> str:
    """Columns, left-aligned."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows))


def changes(found: t.Sequence[Change]) -> str:
    """Changes of packages, a line each."""
    sign = {"added": "+", "removed": "-", "changed": "~"}
    lines = []
    for change in found:
        versions = " -> ".join(side for side in (_versions(change.before), _versions(change.after)) if side)
        lines.append(f"{sign[change.kind]} {change.source}: {change.package} ({change.architecture}) {versions}")
    return "\n".join(lines)


def _versions(versions: t.Sequence[Version]) -> str:
    sizes: t.Dict[str, int] = {}
    for version in versions:
        sizes[version.version] = sizes.get(version.version, 0) + version.size
    return ", ".join(f"{version} ({size(total)})" for version, total in sizes.items())
