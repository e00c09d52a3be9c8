# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: the tools take turns, every round begins with empty targets."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import typing as t

from peers.bed import Archive, Upstream
from peers.process import Cost, run
from peers.server import Server
from peers.tools import Tool

FIRST, NOTHING, SIGNED, CHANGED = "first sync", "nothing changed", "signed anew, same packages", "1 % of the packages changed"
_SLOW = 30.0  # seconds; a tool whose first sync takes longer is not run again


class Run(t.NamedTuple):
    """One run of a tool. sent: bytes of bodies the server sent; note: what went wrong, or nothing."""

    cost: Cost
    requests: int
    sent: int
    note: str


class Interrupted(t.NamedTuple):
    """A sync killed half-way and run again. finished: files that had arrived whole; repeated: those the second run asked for again."""

    finished: int
    repeated: int
    again: Run


class Damaged(t.NamedTuple):
    """A sync of an upstream with one damaged package. code: exit code; taken: the damaged file is in the mirror; shown: the new
    metadata is what readers see, None where publishing is another step."""

    code: int
    taken: bool
    shown: t.Optional[bool]


Runs = t.Dict[str, t.Dict[str, t.List[Run]]]  # by scenario and tool


class Bench:
    """One server, one place for targets."""

    def __init__(self, work: pathlib.Path, server: Server, patience: float) -> None:
        self._targets = work / "targets"
        self._log = work / "tools.log"
        self._server = server
        self._patience = patience
        self._targets.mkdir()

    def rounds(self, upstream: Upstream, tools: t.Sequence[t.Type[Tool]], count: int, url: str, scenarios: t.Sequence[str]) -> Runs:
        """Run the scenarios in this order, count times. url: of the server."""
        found: Runs = {scenario: {tool.name: [] for tool in tools} for scenario in scenarios}
        for number in range(count):
            taking_part = [tool for tool in tools if not number or not _unfit(found[FIRST][tool.name])]
            order = taking_part[number % len(taking_part):] + taking_part[:number % len(taking_part)]
            ready = [(tool, self._fresh(tool, upstream, url)) for tool in order]
            for scenario in scenarios:
                if isinstance(upstream, Archive) and scenario == SIGNED:
                    upstream.publish()
                if isinstance(upstream, Archive) and scenario == CHANGED:
                    upstream.renew(0.01)
                for _tool, (tool, command) in ready:
                    if scenario == FIRST or not (tool.floor or found[FIRST][tool.name][-1].note):
                        found[scenario][tool.name].append(self._run(tool, command, upstream))
        self._clear()
        return found

    def interrupted(self, upstream: Upstream, tools: t.Sequence[t.Type[Tool]]) -> t.Dict[str, Interrupted]:
        """kill -9 to all processes of a tool when half of the packages were answered, then run it again."""
        found = {}
        sizes = {f"/{upstream.name}/{path}": (upstream.root / path).stat().st_size for path in upstream.files()}
        for tool, command in (self._fresh(kind, upstream, self._server.near) for kind in tools if not kind.floor):
            self._server.forget()
            run(command, tool.environment(upstream), self._log, self._patience, lambda: self._server.count() > len(sizes) / 2)
            finished = {request.path for request in self._server.requests() if request.status == 200 and sizes.get(request.path) == request.sent}
            again = self._run(tool, command, upstream)
            asked = {request.path for request in self._server.requests()}
            found[tool.name] = Interrupted(len(finished), len(finished & asked), again)
        self._clear()
        return found

    def damaged(self, upstream: Upstream, tools: t.Sequence[t.Type[Tool]]) -> t.Dict[str, Damaged]:
        """Turn one bit of one package over, leave its size, and sync."""
        path = upstream.root / upstream.files()[len(upstream.files()) // 2]
        good = path.read_bytes()
        bad = bytes([good[0] ^ 1]) + good[1:]
        found = {}
        path.write_bytes(bad)
        try:
            for tool, command in (self._fresh(kind, upstream, self._server.near) for kind in tools if not kind.floor):
                cost = run(command, tool.environment(upstream), self._log, self._patience)
                taken = any(file.stat().st_size == len(bad) and hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(bad).digest()
                            for file in tool.packages())
                shown = (tool.directory / tool.published).exists() if tool.published else None
                found[tool.name] = Damaged(cost.code, taken, shown)
        finally:
            path.write_bytes(good)
        self._clear()
        return found

    def _fresh(self, kind: t.Type[Tool], upstream: Upstream, url: str) -> t.Tuple[Tool, t.List[str]]:
        directory = self._targets / kind.name.replace(" ", "-")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        tool = kind(directory)
        return tool, tool.prepare(f"{url}/{upstream.name}", upstream)

    def _clear(self) -> None:
        shutil.rmtree(self._targets)
        self._targets.mkdir()

    def _run(self, tool: Tool, command: t.Sequence[str], upstream: Upstream) -> Run:
        self._server.forget()
        cost = run(command, tool.environment(upstream), self._log, self._patience)
        requests = self._server.requests()
        note = f"exit code {cost.code}" if cost.code else ""
        if cost.code < 0 and cost.wall >= self._patience:
            note = f"ended after {self._patience:.0f} s"
        elif not note and sum(1 for _path in tool.packages()) < len(upstream.files()):
            note = "packages are missing"
        return Run(cost, len(requests), sum(request.sent for request in requests), note)


def _unfit(runs: t.Sequence[Run]) -> bool:
    return bool(runs[0].note) or runs[0].cost.wall > _SLOW
