# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd units of the roles mirror and holdback, with their defaults: systemd's own check finds nothing to say about them."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles/mirror"
HOLDBACK = ROLE.with_name("holdback")
UNITS = sorted(path.name[:-3] for path in (ROLE / "templates").glob("*.j2") if path.name.endswith((".service.j2", ".timer.j2")))
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def rendered(unit: str, **changes: t.Any) -> str:
    defaults, constants = (yaml.safe_load((ROLE / name / "main.yml").read_text()) for name in ("defaults", "vars"))
    jinja = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    known = {**defaults, **constants, "ansible_managed": "Ansible managed", **changes}
    known["__mirror_scrub"] = jinja.from_string(constants["__mirror_scrub"]).render(known)
    return jinja.from_string((ROLE / "templates" / f"{unit}.j2").read_text()).render(known)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the units name: the program and the targets they order themselves by."""
    program = tmp_path / "usr/local/bin/cmd-mirror"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    for target in ("sysinit", "basic", "shutdown", "timers", "time-sync", "time-set", "network-online", "network"):
        (tmp_path / f"etc/systemd/system/{target}.target").write_text("[Unit]\nDescription=A target\n")
    return tmp_path


def verified(root: Path, units: t.Sequence[str] = UNITS) -> t.Tuple[int, str]:
    done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", *units], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize("changes", [{}, {"mirror_scrub_rate": "20M", "mirror_root": "/data/mirror"}])
def test_systemd_takes_the_units(root: Path, changes: t.Dict[str, str]) -> None:
    assert UNITS == ["cmd-mirror-scrub.service", "cmd-mirror-scrub.timer", "cmd-mirror.service", "cmd-mirror.timer"]
    for unit in UNITS:
        (root / "etc/systemd/system" / unit).write_text(rendered(unit, **changes))
    assert verified(root) == (0, "")


def test_a_mistake_would_be_seen(root: Path) -> None:
    for unit in UNITS:
        text = rendered(unit).replace("IOSchedulingClass", "IOSchedulingKlass").replace("OnCalendar=*", "OnCalendar=x")
        (root / "etc/systemd/system" / unit).write_text(text)
    code, said = verified(root)
    assert code != 0 and "IOSchedulingKlass" in said and "cmd-mirror-scrub.timer" in said


def test_the_scrub_is_told_how_long_and_how_fast() -> None:
    command = re.findall("^ExecStart=(.*)$", rendered("cmd-mirror-scrub.service", mirror_scrub_rate="20M"), re.MULTILINE)
    assert command == ["/usr/local/bin/cmd-mirror --config /etc/cmd-mirror/config.json --quiet scrub --repair --for 1h --rate 20M"]


def test_systemd_takes_the_units_of_holds(root: Path) -> None:
    units = yaml.safe_load((HOLDBACK / "vars/main.yml").read_text())["__holdback_units"]
    defaults = yaml.safe_load((HOLDBACK / "defaults/main.yml").read_text())
    (root / "usr/bin").mkdir()
    (root / "usr/bin/env").symlink_to("../local/bin/cmd-mirror")  # a program, which is all systemd looks for
    for unit in units:
        template = jinja2.Template((HOLDBACK / "templates" / f"{unit}.j2").read_text(), undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        (root / "etc/systemd/system" / unit).write_text(template.render({**defaults, "ansible_managed": "Ansible managed"}))
    assert verified(root, units) == (0, "")
