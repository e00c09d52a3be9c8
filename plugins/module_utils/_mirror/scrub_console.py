# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""cmd-mirror scrub."""

from __future__ import annotations

import argparse
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror import display, report
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rate import Limit

if t.TYPE_CHECKING:
    from ansible_collections.egi.cmd.plugins.module_utils._mirror.console import Result, Session

_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def add_command(commands: t.Any, command: t.Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the parser; command makes one."""
    parser = command(commands, "scrub", "read the whole store, a part each time, and find what the disk lost")
    parser.add_argument("--for", dest="seconds", metavar="TIME", type=_seconds, help="stop after so long, such as 90m or 1h; the next scrub goes on there")
    parser.add_argument("--rate", metavar="BYTES", type=_rate, help="read at most so many bytes a second, such as 20M")
    parser.add_argument("--repair", action="store_true", help="fetch again what is damaged")


def run(session: Session) -> Result:
    """cmd-mirror scrub; 4 is DAMAGED, as for verify"""
    from ansible_collections.egi.cmd.plugins.module_utils._mirror.scrub import scrub

    told = session.arguments
    done = scrub(session.mirror, Limit(told.rate), told.seconds, told.repair, session.display.progress,
                 lambda done, total: session.display.amount("scrub", done, total))
    lines = [f"{'repaired' if finding.repaired else 'DAMAGED'}: {finding.path}: {finding.why}" for finding in done.findings]
    lines += [f"note: {note}" for note in done.notes]
    lines.append(f"{done.files} files, {display.size(done.size)} read, {len(done.findings)} damaged, "
                 f"{sum(finding.repaired for finding in done.findings)} repaired; {done.share:.0%} of this round")
    data = {"changed": any(finding.repaired for finding in done.findings), "files": done.files, "bytes": done.size, "share": done.share,
            "findings": [finding._asdict() for finding in done.findings], "notes": done.notes}
    return (0 if done.sound else 4), data, "\n".join(lines)


def status(configuration: Configuration) -> t.Iterator[str]:
    """A line on the scrub, once there was one."""
    known = report.load_scrub(configuration)
    if "unmended" in known:
        whole = display.moment(known["round_ended"]) if "round_ended" in known else "never yet"
        yield f"scrub: {known['share']:.0%} of this round, the whole store last: {whole}, damaged files: {known['unmended']}"


def _rate(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15})([KMG]?)", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes such as 500K, 20M or 1G")
    return int(found[1]) * _BYTES[found[2]]


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 30s, 90m or 1h")
    return int(found[1]) * _SECONDS[found[2]]
