# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""XML with some of its elements left out and every other byte as it was, as a stream.

Where an element begins and ends is expat's word, so nothing a comment, a CDATA section or an attribute holds is taken for one.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY, Reader

_TAG = re.compile(rb"""(?:[^>"']|"[^"]*"|'[^']*')*>""")
_LARGEST = 64 << 20  # bytes of one element; the file list of a large package has 5 MB
_BLANKS = b" \t\r\n"
_ATTRIBUTE = re.compile(rb"""([^\s=<]+)\s*=\s*("[^"]*"|'[^']*')""")


class Element:
    """An element that may be left out. text: its own. children: those directly below that may not, name -> text;
    given: their attributes. held: how many were kept of those below it that may be left out."""

    __slots__ = ("name", "attributes", "text", "children", "given", "held", "start", "depth", "dropped")

    def __init__(self, name: str, attributes: t.Dict[str, str], start: int, depth: int, dropped: int) -> None:
        self.name, self.attributes, self.start, self.depth, self.dropped = name, attributes, start, depth, dropped
        self.text, self.held = "", 0
        self.children: t.Dict[str, str] = {}
        self.given: t.Dict[str, t.Dict[str, str]] = {}


Keep = t.Callable[[Element], bool]


class Filter:
    """keep(element) is asked at the end of each element of one of the names, inner ones first; an element is never found
    below one of its own name. root: attributes of the root element, which counts what is below it there, and their new values.
    kept: how many were kept so far that are not below others. what, doctype: as Reader has them; so are the Failures.
    """

    def __init__(self, what: str, names: t.Collection[str], keep: Keep, root: t.Optional[t.Mapping[str, str]] = None, doctype: bool = False) -> None:
        self._reader = Reader(what, self._start, self._end, doctype)
        self._names, self._keep, self._root = frozenset(names), keep, root or {}
        self.kept = 0
        self._depth = 0
        self._open: t.List[Element] = []
        self._pending = bytearray()  # read and not yet handed on
        self._base = 0  # its first byte's place in the document
        self._dropped: t.List[t.Tuple[int, int]] = []  # what of it is left out, in order
        self._ready: t.List[bytes] = []

    def copy(self, slices: t.Iterable[bytes]) -> t.Iterator[bytes]:
        """The document in slices, without what keep() refused and the blanks before that."""
        for _slice in self._reader.feed(self._remembered(slices)):
            yield b"".join(self._ready)
            self._ready.clear()
        yield bytes(self._pending)

    def _remembered(self, slices: t.Iterable[bytes]) -> t.Iterator[bytes]:
        for data in slices:
            self._pending += data
            if len(self._pending) > _LARGEST:
                raise Failure(self._reader.action, f"one of its elements has more than {_LARGEST} bytes", REMEDY)
            yield data

    def _start(self, name: str, attributes: t.Dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._begin(name)
        elif name in self._names:
            if any(element.name == name for element in self._open):
                raise Failure(self._reader.action, f"it has a {name} within a {name}", REMEDY)
            self._open.append(Element(name, attributes, self._reader.position, self._depth, len(self._dropped)))
        elif self._open and self._depth == self._open[-1].depth + 1:
            self._open[-1].given[name] = attributes

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        element = self._open[-1]
        if self._depth == element.depth:
            element.children[name] = self._reader.text()
        elif self._depth < element.depth:
            self._open.pop()
            if not element.given:
                element.text = self._reader.text()
            self._decide(element)

    def _begin(self, name: str) -> None:
        """Hand on the start of the root, with its new attributes."""
        start = self._reader.position
        self._hand_on(start)
        if not self._pending.startswith(b"<" + name.encode("utf-8")):  # UTF-16: what a tag is cannot be told by its bytes
            raise Failure(self._reader.action, "it is not written in UTF-8", REMEDY)
        end = self._past(start)
        left = dict(self._root)

        def changed(match: t.Match[bytes]) -> bytes:
            value = left.pop(match.group(1).decode("utf-8", "replace"), None)
            return match.group() if value is None else match.group(1) + f'="{value}"'.encode()

        self._ready.append(_ATTRIBUTE.sub(changed, bytes(self._pending[:end - start])))
        self._forget(end)
        if left:
            raise Failure(self._reader.action, f"its root does not say how many {min(left)} it has", REMEDY)

    def _decide(self, element: Element) -> None:
        end = self._end_of(element)
        if self._keep(element):
            if self._open:
                self._open[-1].held += 1
            else:
                self.kept += 1
        else:
            start = element.start
            while start > self._base and self._pending[start - self._base - 1] in _BLANKS:
                start -= 1
            self._dropped[element.dropped:] = [(start, end)]
        if not self._open:
            self._hand_on(end)

    def _end_of(self, element: Element) -> int:
        """Where it ends; called within its end()."""
        tag = self._past(element.start)
        return tag if self._pending[tag - self._base - 2] == ord("/") else self._past(self._reader.position)

    def _past(self, start: int) -> int:
        """Where the tag that begins at start ends."""
        match = _TAG.match(self._pending, start - self._base)
        if match is None:
            raise Failure(self._reader.action, "one of its tags has no end", REMEDY)
        return self._base + match.end()

    def _hand_on(self, end: int) -> None:
        """Make everything before end ready, but for what is left out."""
        at = self._base
        for start, stop in self._dropped:
            self._ready.append(bytes(self._pending[at - self._base:start - self._base]))
            at = stop
        self._ready.append(bytes(self._pending[at - self._base:end - self._base]))
        self._dropped.clear()
        self._forget(end)

    def _forget(self, end: int) -> None:
        del self._pending[:end - self._base]
        self._base = end
