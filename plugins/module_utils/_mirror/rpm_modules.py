# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""modules.yaml with the streams of some packages only.

Read by lines, because a mirror host has no YAML library: what libmodulemd writes, block style with one artifact a line. What
is written otherwise is refused, never guessed at.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry

_KEY = re.compile(r"( *)([A-Za-z_-]+):(?: +(.*))?")
_ITEM = re.compile(r" *- +(.*)")
_SCALAR = re.compile(r"""(?:"([^"\\]*)"|'([^']*)'|([^\s"'&*!|>%@`{}\[\],#][^#"'{}\[\]]*?))(?:\s+#.*)?""")
_LONGEST = 64 << 20  # bytes of one document; whole files of real repositories have 10 MB
_OF_A_STREAM = ("modulemd-obsoletes", "modulemd-translations")

Stream = t.Tuple[str, str]


class Modules:
    """Keeps the streams that have a kept package, and what is said about those. kept: documents kept so far."""

    def __init__(self, what: str, entries: t.Iterable[Entry]) -> None:
        """what: names the file in the Failure, raised for what cannot be read."""
        self.kept = 0
        self._action = f"read {what}"
        self._artifacts = {_nevra(entry) for entry in entries}
        self._streams: t.Set[Stream] = set()

    def copy(self, slices: t.Callable[[], t.Iterable[bytes]]) -> t.Iterator[bytes]:
        """The kept documents, their lists of artifacts filtered. slices: begins reading the file anew; it is read twice,
        because defaults may stand before the streams they are about."""
        for lines in self._documents(slices()):
            self._filtered(lines)
        for lines in self._documents(slices()):
            found = self._filtered(lines)
            if found:
                self.kept += 1
                yield "\n".join(["---", *found, "...", ""]).encode()

    def _documents(self, slices: t.Iterable[bytes]) -> t.Iterator[t.List[str]]:
        lines: t.List[str] = []
        size = 0
        for line in self._lines(slices):
            if line == "..." or line[:4].rstrip() == "---":
                if line[3:].strip():
                    raise self._refused("a document begins on the line of its marker")
                yield lines
                lines, size = [], 0
            else:
                lines.append(line)
                size += len(line)
                if size > _LONGEST:
                    raise self._refused(f"one of its documents has more than {_LONGEST} bytes")
        yield lines

    def _lines(self, slices: t.Iterable[bytes]) -> t.Iterator[str]:
        rest = b""
        try:
            for data in slices:
                whole, newline, rest = (rest + data).rpartition(b"\n")
                if newline:
                    yield from whole.decode("utf-8").split("\n")
                elif len(rest) > _LONGEST:
                    raise self._refused("it has a line without end")
            yield from rest.decode("utf-8").split("\n") if rest else ()
        except UnicodeDecodeError as error:
            raise self._refused("it is not UTF-8") from error

    def _filtered(self, lines: t.List[str]) -> t.List[str]:
        """The document as it shall be, nothing when it is left out."""
        fields = self._fields(lines, 0, len(lines), 0)
        if not fields:
            return []
        kind = self._scalar(lines, fields, "document")
        start, end = self._block(lines, fields, "data")
        data = self._fields(lines, start, end, _indentation(lines, start, end))
        if kind == "modulemd":
            return self._stream(lines, data)
        if kind == "modulemd-defaults":
            return self._defaults(lines, data)
        if kind in _OF_A_STREAM:
            return lines if (self._scalar(lines, data, "module"), self._scalar(lines, data, "stream")) in self._streams else []
        return []  # modulemd-packager, and what nobody has defined yet

    def _stream(self, lines: t.List[str], data: t.Dict[str, t.Tuple[int, int]]) -> t.List[str]:
        if "artifacts" not in data:
            return []
        start, end = self._block(lines, data, "artifacts")
        artifacts = self._fields(lines, start, end, _indentation(lines, start, end))
        if "rpms" not in artifacts:
            return []
        first, last = self._block(lines, artifacts, "rpms")
        kept = [line for line in lines[first:last] if self._item(line) in self._artifacts]
        if not kept:
            return []
        self._streams.add((self._scalar(lines, data, "name"), self._scalar(lines, data, "stream")))
        # Beside rpms only rpm-map may stand, which lists every package again
        return [*lines[:start], lines[first - 1], *kept, *lines[end:]]

    def _defaults(self, lines: t.List[str], data: t.Dict[str, t.Tuple[int, int]]) -> t.List[str]:
        module = self._scalar(lines, data, "module")
        if not any(name == module for name, _stream in self._streams):
            return []
        if "stream" in data and (module, self._scalar(lines, data, "stream")) not in self._streams:
            # A default nobody can enable: without it the module simply has none
            return [*lines[:data["stream"][0]], *lines[data["stream"][1]:]]
        return lines

    def _fields(self, lines: t.Sequence[str], start: int, end: int, indentation: int) -> t.Dict[str, t.Tuple[int, int]]:
        """The keys of a block mapping: key -> its first line and the one after its last."""
        begins: t.List[t.Tuple[str, int]] = []
        for number in range(start, end):
            line = lines[number].rstrip()
            if _says_nothing(line) or _indented(line) > indentation or _ITEM.fullmatch(line):
                continue
            match = _KEY.fullmatch(line)
            if match is None or _indented(line) < indentation:
                raise self._refused(f"{line.strip()[:60]!r} is not written as libmodulemd writes it")
            if any(match.group(2) == key for key, _number in begins):
                raise self._refused(f"it has {match.group(2)[:60]} twice")
            begins.append((match.group(2), number))
        stops = [number for _key, number in begins[1:]] + [end]
        return {key: (number, stop) for (key, number), stop in zip(begins, stops)}

    def _scalar(self, lines: t.Sequence[str], fields: t.Mapping[str, t.Tuple[int, int]], key: str) -> str:
        number = fields.get(key, (-1, -1))[0]
        match = _KEY.fullmatch(lines[number].rstrip()) if number >= 0 else None
        return self._plain(match.group(3) or "" if match else "", key)

    def _plain(self, text: str, key: str) -> str:
        match = _SCALAR.fullmatch(text.strip())
        if match is None:
            raise self._refused(f"its {key} cannot be read from {text[:60]!r}")
        return next(group for group in match.groups() if group is not None)

    def _item(self, line: str) -> str:
        if _says_nothing(line):
            return ""
        match = _ITEM.fullmatch(line.rstrip())
        if match is None:
            raise self._refused(f"{line.strip()[:60]!r} is no artifact")
        return self._plain(match.group(1), "artifact")

    def _block(self, lines: t.Sequence[str], fields: t.Mapping[str, t.Tuple[int, int]], key: str) -> t.Tuple[int, int]:
        """The lines below a key that has nothing on its own line."""
        if key not in fields:
            raise self._refused(f"a document has no {key}")
        start, end = fields[key]
        match = _KEY.fullmatch(lines[start].rstrip())
        if match is None or (match.group(3) or "").split("#")[0].strip() not in ("", "{}", "[]"):
            raise self._refused(f"its {key} is not written as libmodulemd writes it")
        return start + 1, end

    def _refused(self, why: str) -> Failure:
        return Failure(self._action, why, "Ask the upstream for a modules.yaml as modulemd-merge writes it; nothing was used")


def _nevra(entry: Entry) -> str:
    version = entry.version if ":" in entry.version else f"0:{entry.version}"
    return f"{entry.package}-{version}.{entry.architecture}"


def _says_nothing(line: str) -> bool:
    """Whether a line is blank, a comment or a directive of YAML."""
    return not line.strip() or line.lstrip().startswith("#") or line.startswith("%")


def _indented(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _indentation(lines: t.Sequence[str], start: int, end: int) -> int:
    """How far the first line of a block is indented."""
    return next((_indented(line) for line in lines[start:end] if not _says_nothing(line)), 0)
