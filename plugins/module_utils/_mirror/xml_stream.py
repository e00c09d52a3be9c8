# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""XML of repositories, read as a stream by expat: no entity, no document type, nothing that grows while it is read."""

from __future__ import annotations

import typing as t
from xml.parsers import expat

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

REMEDY = "The upstream's metadata is wrong or hostile; nothing was used"
_DEEPEST = 64

Start = t.Callable[[str, t.Dict[str, str]], None]
End = t.Callable[[str], None]


class Reader:
    """Calls start(name, attributes) and end(name); names are as written, prefix included.

    text() is what stood between the last start and now. what: names the file in the Failure, raised for anything that is
    not well-formed or declares a document type.
    """

    def __init__(self, what: str, start: Start, end: End, doctype: bool = False) -> None:
        """doctype: let a document type through that declares nothing itself, as comps.xml has one. Nothing is ever loaded."""
        self.action = f"read {what}"
        self._start, self._end = start, end
        self._text: t.List[str] = []
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self._text.append
        self._doctype = doctype
        self._parser.StartDoctypeDeclHandler = self._declared

    def feed(self, slices: t.Iterable[bytes]) -> t.Iterator[None]:
        """Read; yields after each slice, so that a caller may hand on what was found so far."""
        try:
            for data in slices:
                self._parser.Parse(data, False)
                yield
            self._parser.Parse(b"", True)
            yield
        except expat.ExpatError as error:
            raise Failure(self.action, f"it is not well-formed ({error})", REMEDY) from error

    def text(self) -> str:
        """The text since the last start of an element, without blanks around it."""
        return "".join(self._text).strip()

    @property
    def position(self) -> int:
        """Within start() and end(): where in the document that tag begins, in bytes. Within end() of an element of one tag
        only (<a/>) it is where that tag ends."""
        return self._parser.CurrentByteIndex

    def _open(self, name: str, attributes: t.Dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Failure(self.action, f"its elements are nested deeper than {_DEEPEST}", REMEDY)
        self._text.clear()
        self._start(name, attributes)

    def _close(self, name: str) -> None:
        self._depth -= 1
        self._end(name)

    def _declared(self, _name: str, _system: t.Optional[str], _public: t.Optional[str], has_declarations: int) -> None:
        if has_declarations or not self._doctype:
            raise Failure(self.action, "it declares a document type, which no repository does", REMEDY)
