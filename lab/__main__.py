# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the throw-away hosts: ``python3 -m lab run --state DIR --host web=deb -- COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lab import roots, session


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab", description="Throw-away apt and dnf hosts.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (("run", "run a command with the hosts up"), ("inside", "the same, already in the namespaces (internal)")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("--host", action="append", default=[], metavar="NAME=LAYER", help=f"LAYER is one of {', '.join(roots.LAYERS)}")
        one.add_argument("command", nargs="+", metavar="-- COMMAND")
    verbs.choices["run"].add_argument("--fresh", action="store_true", help="begin with new hosts")
    verbs.choices["run"].add_argument("--discard", action="store_true", help="remove the hosts at the end")
    verbs.add_parser("roots", help="build all roots now")
    verbs.add_parser("check", help="say in one line why hosts cannot be made here; silent when they can")
    verbs.add_parser("forget", help="remove the hosts of --state")
    for one in verbs.choices.values():
        one.add_argument("--state", type=Path, default=Path(".cache/lab/state"), help="where the hosts' files are kept")
        one.add_argument("--cache", type=Path, default=Path(".cache/lab/roots"), help="where the roots are kept")
    return parser.parse_args()


def _specification(pairs: list[str]) -> dict[str, str]:
    specification = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    unknown = [pair for pair in pairs if pair.partition("=")[2] not in roots.LAYERS]
    if unknown:
        raise roots.LabError(f"--host {unknown[0]}: expected NAME=LAYER with LAYER one of {', '.join(roots.LAYERS)}")
    return specification


def main() -> int:
    arguments = _arguments()
    os.umask(0o022)  # the reader's may hide a host's / from its own web server
    cache, state = arguments.cache.resolve(), arguments.state.resolve()
    try:
        if arguments.verb == "inside":
            return session.inside(cache, state, _specification(arguments.host), arguments.command)
        if arguments.verb == "forget":
            session.forget(state)
            return 0
        reason = roots.unprivileged_reason()
        if reason:
            raise roots.LabError(reason)
        if arguments.verb == "run":
            return session.run(cache, state, _specification(arguments.host), arguments.command,
                               fresh=arguments.fresh, discard=arguments.discard)
        if arguments.verb == "roots":
            roots.build(cache, roots.LAYERS)
        return 0
    except roots.LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
