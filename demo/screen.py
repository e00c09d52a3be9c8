# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reader sees: chapters, steps with their time, claims that were checked. Colour on a terminal only."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import sys
import time
import typing as t

_COLOURS = {"bold": "1", "green": "32", "red": "31", "dim": "2"}


class ClaimFailed(Exception):
    """The demonstration said something that is not so; the message says what."""


def _colour(text: str, name: str) -> str:
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{_COLOURS[name]}m{text}\033[0m"


def chapter(number: int, title: str) -> None:
    """Begin a chapter."""
    print("\n" + _colour(f"{number}. {title}", "bold"), flush=True)


def say(*lines: str) -> None:
    """Say something in passing."""
    for line in lines:
        print(f"   {line}".rstrip(), flush=True)


def command(line: str) -> None:
    """Show a command the reader could type."""
    print("   " + _colour(f"$ {line}", "bold"), flush=True)


def quote(text: str) -> None:
    """Show what a tool said."""
    for line in text.splitlines():
        print("     " + _colour(line, "dim"), flush=True)


@contextlib.contextmanager
def step(title: str) -> t.Iterator[None]:
    """Name a step on a line, and how long it took when it is done."""
    began = time.monotonic()
    print(f"   {title} ... ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(_colour("failed", "red"), flush=True)
        raise
    print(_colour(f"{time.monotonic() - began:.1f} s", "dim"), flush=True)


class Named(t.Protocol):
    """Something claims are made about."""

    @property
    def name(self) -> str:
        """What it is called."""


Subject = t.TypeVar("Subject", bound=Named)


def claim(text: str, subjects: t.Sequence[Subject], holds: t.Callable[[Subject], bool]) -> None:
    """Say something about several hosts after checking it on each; the demonstration ends where it does not hold."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for subject, true in zip(subjects, pool.map(holds, subjects)):
            if not true:
                raise ClaimFailed(f"this is not so for {subject.name}: hosts {text}")
    names = ", ".join(subject.name for subject in subjects)
    print("   " + _colour("checked", "green") + f"  {names} {text}", flush=True)
