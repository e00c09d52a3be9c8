# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""MOS versions as data: what a version of an overlay package says, for both families, and what it may not say."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

RELEASE_NAME = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){0,3}")

# What hosts of a release get without asking for more, and the other kinds of repository a version may be in.
EFFECTIVE = ("base", "updates", "security")
KINDS = (*EFFECTIVE, "proposed", "candidate", "untested", "contrib", "holdback")

# Registered names of base distributions and their vendors. "deb8u1", "el7" and "u14.04" are tags, not names.
TRADEMARKS = ("almalinux", "canonical", "centos", "debian", "fedora", "redhat", "rhel", "rockylinux", "suse", "ubuntu")

_TRADEMARK = re.compile("|".join(TRADEMARKS), re.IGNORECASE)
_VENDOR_PART = re.compile(rf"[.+~_]?(?:{'|'.join(TRADEMARKS)}).*", re.IGNORECASE | re.DOTALL)


class Step(t.NamedTuple):
    """How a version came to a release. form: ``+`` some changes added to the version before it, ``~`` that whole version
    brought back; release: the one it was made for, ``6.1``; update: 1, 2, 3 ... in that release.
    """

    form: str
    release: str
    update: int


class MosVersion(t.NamedTuple):
    """A version of the scheme.

    family: deb or rpm; software: the upstream part; revision: what is kept of the base package's revision or release;
    base: the base distribution's tag, ``u14.04`` or ``el7``, empty if an rpm has none; build: the number after ``mos``;
    steps: updates and ports of a deb; bundle: security bundle of an rpm, 0 if there is none.
    """

    family: str
    epoch: int
    software: str
    revision: str
    base: str
    build: int
    steps: t.Tuple[Step, ...] = ()
    bundle: int = 0

    @property
    def stem(self) -> str:
        """The part that decides whether builds are counted on: everything before the build number."""
        number = f"~{self.base}+mos" if self.family == "deb" else f"{'.' if self.base else ''}{self.base}~mos"
        return f"{self.versioned_software}-{self.revision}{number}"

    @property
    def versioned_software(self) -> str:
        """The software version with the epoch a package manager needs to compare it."""
        colon = self.epoch or (self.family == "deb" and ":" in self.software)
        return f"{self.epoch}:{self.software}" if colon else self.software

    def __str__(self) -> str:
        steps = "".join(f"{step.form}mos{step.release}+{step.update}" for step in self.steps)
        return f"{self.stem}{self.build}{f'.{self.bundle}' if self.bundle else ''}{steps}"


def kind_of(name: str) -> str:
    """Return name; raise Failure if it is no kind of repository. Histories leave out developer: its builds are thrown away."""
    known = (*KINDS, "developer")
    if name not in known:
        raise Failure(f"use repository kind {name!r}", "there is no such kind", f"Choose one of {', '.join(known)}")
    return name


def trademark(text: str) -> str:
    """Return the first vendor's name in text as written there, or nothing."""
    found = _TRADEMARK.search(text)
    return found.group() if found else ""


def without_vendor(text: str) -> str:
    """Return text up to a vendor's name: ``2.3ubuntu4`` -> ``2.3``. What a vendor counts after its name goes with it."""
    return _VENDOR_PART.sub("", text)


def release_key(name: str) -> t.Tuple[int, ...]:
    """Return a release number's place in order, 9.0 before 10.0; raise Failure for what is no release number."""
    if not isinstance(name, str) or not RELEASE_NAME.fullmatch(name):
        raise Failure(f"read release {name!r}", "it is not a number in quotes", 'Write it like "6.1"')
    return tuple(int(number) for number in name.split("."))
