# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The trace a sync leaves for those who mirror this mirror, as Debian's mirrors do it: who had what, and when.

    <root>/project/trace/<set>/<host>

It is the last thing a sync writes, also one that found nothing new: its date says how old what one reads here may be.
"""

from __future__ import annotations

import email.utils
import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE, write_file
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import make_directory
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Outcome
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport

VERSION = "0.1.0"
_MASTER = "project/trace/master"  # where Debian's archives say when they were made
_LARGEST = 1 << 16
_PATIENCE = 10.0  # seconds an upstream gets that says nothing: what was synced is published already
_SHOWN = 200  # characters of what a stranger wrote


def write(mirror: Mirror, of_set: Set, outcome: Outcome, newest: Generation, started: float, ended: float) -> None:
    """Write the trace of a set that was synced. newest: its newest generation; started, ended: unix times."""
    host = mirror.configuration.host or os.uname().nodename.replace("/", "-")
    path = os.path.join(mirror.configuration.root, "project", "trace", of_set.name, host)
    before = _upstreams(path)
    traces = {}
    for source in of_set.sources:
        if source.name in outcome.plan.news:
            before.pop(source.name, None)
            seen = _upstream(mirror, source) if source.format == "deb" else None
            before.update({source.name: seen} if seen else {})
        if source.name in before:
            traces[source.name] = before[source.name]
    make_directory(os.path.dirname(path))
    write_file(path, text(host, newest, outcome.published, traces, started, ended), os.path.join(mirror.configuration.root, STATE, "trace"))


def text(host: str, newest: Generation, published: t.Optional[str], traces: t.Mapping[str, str], started: float, ended: float) -> str:
    """A trace. traces: what the traces of upstreams say, by source."""
    weekday, day, month, year, clock = _date(ended)[:-6].replace(",", "").split(" ")
    lines = [f"{weekday} {month} {int(day):2d} {clock} UTC {year}", f"Date: {_date(ended)}", f"Date-Started: {_date(started)}",
             f"Archive serial: {newest.name}", f"Published: {published or 'nothing'}", f"Creator: cmd-mirror {VERSION}", f"Running on host: {host}"]
    for name, part in sorted(newest.sources.items()):
        lines += [f"Upstream-mirror: {name} {part.url}", f"Upstream-date: {name} {_date(part.dated)}"]
        if name in traces:
            lines.append(f"Upstream-trace: {name} {traces[name]}")
    return "\n".join(lines) + "\n"


def _upstream(mirror: Mirror, source: Source) -> t.Optional[str]:
    """What the upstream's own trace says, in a line: most upstreams have none, and nothing depends on it."""
    told = mirror.configuration
    try:
        with Transport(source, 1, told.limit, min(told.timeout, _PATIENCE), 0, mirror.stop) as transport:
            answer = transport.get(_MASTER, None, _LARGEST)
    except Failure:
        return None
    lines = answer.body.decode("ascii", "replace").splitlines() if answer.status == 200 else []
    wanted = lines[:1] + [line for line in lines[1:] if line.startswith("Archive serial:")][:1]
    return re.sub(r"[^ -~]", "?", "; ".join(wanted))[:_SHOWN] or None


def _upstreams(path: str) -> t.Dict[str, str]:
    """What the last trace says of the upstreams' traces, by source."""
    try:
        with open(path, encoding="ascii") as file:
            return dict(re.findall(r"^Upstream-trace: (\S+) (.+)$", file.read(), re.MULTILINE))
    except (OSError, ValueError):
        return {}


def _date(moment: float) -> str:
    """RFC 5322, in UTC whatever the locale."""
    return email.utils.formatdate(moment, usegmt=True).replace("GMT", "+0000")
