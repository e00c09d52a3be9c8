#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure matrix of a mirror, row by row, with the real cmd-mirror against an upstream that lies, on loopback.

After each row readers reach the old state or the correct new one, byte by byte; the exit code is the documented one;
the message is a sentence that names file, reason and way out; nothing outside the mirror's root has changed. Then the
upstream is honest again, and the next sync brings its state.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

for _path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
    sys.path.append(_path)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import damage  # noqa: E402
import lies  # noqa: E402
from site_under_test import Row, Signers, Site  # noqa: E402

from ansible_collections.egi.cmd.plugins.module_utils._mirror import program  # noqa: E402
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
AT_ONCE = 10  # rows wait for time-outs and pauses most of the time


def judge(row: Row, site: Site) -> None:
    """Run one row on a mirror that has the first state, and see that the next sync is whole."""
    with site.server:
        site.offer()
        site.brings()
        site.advance()
        site.offer()
        row(site)
        site.advance()
        site.offer()
        site.brings()
        if site.signing:  # of indices of its own only the mirror can tell whether they are right
            assert site.run("verify").code == 0


def main() -> int:
    failed = 0
    rows = [(name, row, False) for name, row in (*lies.rows(), *damage.rows())]
    rows += [(name, row, True) for name, row in lies.rows_of_rebuilt()]
    with tempfile.TemporaryDirectory(prefix="egi-matrix-") as top, keys.throw_away() as key:
        work = Path(top)
        signers = Signers(key, work)
        executable = work / "cmd-mirror"
        executable.write_bytes(program.build(str(TOP / "plugins/module_utils")))

        def one(number: int) -> t.Tuple[str, float]:
            started = time.monotonic()
            try:
                _name, row, rebuilt = rows[number]
                judge(row, Site(work / str(number), signers, executable, number, rebuilt))
            except Exception:
                return traceback.format_exc(), time.monotonic() - started
            return "", time.monotonic() - started

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for (name, _row, _rebuilt), (error, seconds) in zip(rows, pool.map(one, range(len(rows)))):
                failed += bool(error)
                print(f"FAILED: {name}\n{error}" if error else f"ok: {name} ({seconds:.1f} s)", flush=True)
    print(f"{len(rows) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
