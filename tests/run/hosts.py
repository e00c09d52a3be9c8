# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away hosts for a part: a session of lab with the standard site, made once and copied for everyone who wants it."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from tests.run.machine import TOP, WORK, collections, environment, newest, prepare, remove
from tests.run.report import Output, Report

HOSTS = ("apt1=deb", "dnf1=rpm", "repo=repository")


def ready(report: Report) -> bool:
    """Publish the standard site and make hosts of its base distribution, for the copies; False, with a failed check, when that is impossible."""
    prepare("need_root")
    # gnupg signs what lying upstreams offer, openssh-client finds a host that does not answer, rsync is an upstream and asks it.
    prepare("need_packages", "gnupg", "mmdebstrap", "openssh-client", "rsync")
    collections()
    site = ["/usr/bin/python3", "-m", "lab.site"]
    output = session(report, _hosts(report) / "bare", [*site, "--no-hosts"], "--fresh")
    if output.status == 0:
        output = session(report, copied(report, "site", "bare"), site)
    return report.check("the standard site is built, signed and served", output.status == 0, output.tail())


def _hosts(report: Report) -> Path:
    return WORK / "hosts" / report.part


def copied(report: Report, name: str, kind: str = "site") -> Path:
    """New hosts with the standard site, for one user of them; return their state folder.

    kind: ``site`` hosts have the base distribution's sources and site-tools; ``bare`` hosts have no sources at all.

    Overlay directories keep their meaning in extended attributes, which only cp -a as root copies.
    """
    state = _hosts(report) / name
    remove(state)
    subprocess.run(["cp", "-a", "--reflink=auto", str(_hosts(report) / kind), str(state)], check=True)
    return state


def session(report: Report, state: Path, command: t.Sequence[object], *options: str, more: t.Sequence[str] = (), python: Path | None = None,
            **variables: str | Path) -> Output:
    """Run command with the hosts up. options: of ``lab run``; more: NAME=LAYER of further hosts; python: environment to run it in, the one
    with the newest ansible-core if None; variables: added to the environment.
    """
    env = environment(python or newest(), ANSIBLE_PIPELINING="1", ANSIBLE_INJECT_FACT_VARS="false", PYTHONPATH=TOP, **variables)
    hosts = [word for host in (*HOSTS, *more) for word in ("--host", host)]
    lab = ["/usr/bin/python3", "-m", "lab", "run", "--state", state, *options, *hosts, "--"]
    return report.run(*lab, *command, env=env, cwd=TOP)
