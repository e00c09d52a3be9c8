#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of mirrors runs and is fair: a few packages, curl and cmd-mirror. How long anything takes is not judged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]


def main() -> int:
    """Run it; print what is wrong and a tally."""
    command = [sys.executable, str(TOP / "tests/benchmark/mirror.py"), "--debs", "24", "--rounds", "1", "--far-rounds", "1", "--port", "0", "--no-install"]
    done = subprocess.run([*command, "--only", "deb", "far", "faults", "--tools", "curl -Z", "cmd-mirror"], stdout=subprocess.PIPE, text=True, check=False,
                          timeout=120)
    said = done.stdout
    rows = re.findall(r"^\| (?:curl -Z|cmd-mirror) \| .*", said, re.MULTILINE)
    away = re.search(r"took ([0-9.]+) ms each", said)
    checks = {
        "it ends well": done.returncode == 0,
        "every tool has its row in every table": len(rows) == 4 + 4 + 2,
        "every sync was whole": "exit code 1" not in said and "packages are missing" not in said and "ended after" not in said,
        "what is 20 ms away is no nearer": away is not None and float(away.group(1)) >= 20.0,
        "a sync that was killed can be run again": re.search(r"^\| cmd-mirror \| \d+ \| \d+ \| [0-9.]+ \| complete \|$", said, re.MULTILINE) is not None,
        "a damaged package is refused": "| cmd-mirror | SHA-256 | 1 | refused | is not shown |" in said,
    }
    for what, good in checks.items():
        if not good:
            print(f"FAILED: {what}\n{said}")
    print(f"{sum(checks.values())} passed, {len(checks) - sum(checks.values())} failed, 0 skipped")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
