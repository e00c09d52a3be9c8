# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an image takes, beside the least it could take and beside other builders.

    sudo PYTHONPATH=<directory above ansible_collections> python3 tests/benchmark/image.py definition.json [--peers] [--seconds 300]

The definition is one of egi.cmd.image, as JSON, with one cell that has a disk. The floor is mmdebstrap with the same packages and
sources, mkfs.ext4 and mkfs.vfat: nothing is checked, nothing boots. A peer that is not installed, or fails, or takes longer than
the seconds given, is in the table with the last thing it said.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import build
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache
from ansible_collections.egi.cmd.plugins.module_utils._image.build_stages import Settings
from ansible_collections.egi.cmd.plugins.module_utils._image.definition import parse
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell, cells

VMDB2 = """\
steps:
  - mkimg: "{{{{ output }}}}"
    size: 2G
  - mklabel: gpt
    device: "{{{{ output }}}}"
  - mkpart: primary
    device: "{{{{ output }}}}"
    start: 0%
    end: 100%
    tag: root
  - kpartx: "{{{{ output }}}}"
  - mkfs: ext4
    partition: root
  - mount: root
  - debootstrap: {suite}
    mirror: {uri}
    target: root
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("definition", type=pathlib.Path)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--seconds", type=int, default=300)
    wanted = parser.parse_args()
    told = json.loads(wanted.definition.read_text())
    (cell,) = cells(parse(told))
    with tempfile.TemporaryDirectory(prefix="egi-image-", dir="/var/tmp") as work:
        rows = ours(work, cell, told)
        rows += [("floor: mmdebstrap, mkfs.ext4 -d, mkfs.vfat", *timed(floor(work, cell), 3600))]
        for name, command in peers(work, cell).items() if wanted.peers else ():
            rows.append((name, *(timed(command, wanted.seconds) if shutil.which(command[0]) else (0.0, "not installed"))))
    sys.stdout.write(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n| what | seconds | |\n| --- | --- | --- |\n")
    for what, seconds, why in rows:
        sys.stdout.write(f"| {what} | {seconds:.1f} | {why} |\n")


def ours(work: str, cell: Cell, told: t.Dict[str, t.Any]) -> t.List[t.Tuple[str, float, str]]:
    """The first build by stages, a second one that changes nothing, and the same with four cells of one package more each."""
    cache = Cache(f"{work}/cache")
    settings = Settings(("qcow2", "raw.tar.xz"), "zstd", False, 60, f"{work}/cache/logs")
    started = time.monotonic()
    (outcome,) = build.build([cell], f"{work}/out", cache, settings, 1)
    rows = [("egi.cmd: all", time.monotonic() - started, "")]
    rows += [(f"egi.cmd: {step.stage}", step.seconds, "") for step in outcome.steps]
    rows.append(("egi.cmd: nothing changed, one image", _again([cell], work, cache, settings), ""))
    named = [cells(parse({**told, "name": f"{told['name']}-{number}", "variants": ["container"], "system_packages": []}))[0] for number in range(4)]
    build.build(named, f"{work}/out", cache, settings, 2)
    rows.append(("egi.cmd: nothing changed, four images", _again(named, work, cache, settings), ""))
    return rows


def _again(chosen: t.Sequence[Cell], work: str, cache: Cache, settings: Settings) -> float:
    started = time.monotonic()
    outcomes = build.build(chosen, f"{work}/out", cache, settings, 2)
    if any(one.changed for one in outcomes):
        raise SystemExit("a second build changed something: the repositories moved on")
    return time.monotonic() - started


def floor(work: str, cell: Cell) -> t.List[str]:
    """The same packages from the same places in a file system, and nothing else."""
    sources = [f"deb [signed-by={key.file}] {one.uris[0]} {one.suite} {' '.join(one.components)}" for part in cell.sets for one in part.sources
               for key in one.keys[:1]]
    script = ('mmdebstrap --quiet --variant=apt --include="$1" "$2" "$3/floor.tar" "$@3" && mkdir "$3/floor" && tar -C "$3/floor" -xpf "$3/floor.tar"'
              ' && mkfs.ext4 -q -d "$3/floor" "$3/floor.ext4" 1900M && truncate -s 64M "$3/esp" && mkfs.vfat -F32 "$3/esp" >/dev/null')
    script = script.replace('"$@3"', " ".join(f"'{source}'" for source in sources))
    return ["sh", "-euc", script, "sh", ",".join(cell.install), cell.sets[-1].sources[0].suite, work]


def peers(work: str, cell: Cell) -> t.Dict[str, t.List[str]]:
    """Other builders, asked for the same distribution on a disk, with no more than their manuals say."""
    base = cell.sets[-1].sources[0]
    recipe = pathlib.Path(work, "vmdb2.yaml")
    recipe.write_text(VMDB2.format(suite=base.suite, uri=base.uris[0]))
    return {
        "mkosi": ["mkosi", f"--directory={work}", "--distribution=debian", f"--release={base.suite}", f"--mirror={base.uris[0]}", "--format=disk",
                  "--bootable", "--package=linux-image-cloud-amd64,systemd", f"--output={work}/mkosi.raw", "build"],
        "vmdb2": ["vmdb2", str(recipe), "--output", f"{work}/vmdb2.raw", "--log", f"{work}/vmdb2.log"],
        "diskimage-builder": ["disk-image-create", "-o", f"{work}/dib", "debian-minimal", "vm"],
    }


def timed(command: t.Sequence[str], seconds: int) -> t.Tuple[float, str]:
    """How long a program takes; and why it did not get to its end, empty when it did."""
    started = time.monotonic()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return time.monotonic() - started, f"stopped after {seconds} s"
    last = (done.stdout.strip().splitlines() or ["no word"])[-1]
    return time.monotonic() - started, "" if done.returncode == 0 else f"failed: {last[:120]}"


if __name__ == "__main__":
    main()
