# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that a rollout is recorded under is ansible-playbook itself, not the worker that templates a task."""

from __future__ import annotations

import multiprocessing
import os
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.lookup import rollout_run
from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import alive, identity


def ask(*terms: str) -> dict[str, t.Any]:
    lookup = rollout_run.LookupModule()
    lookup.set_options = lambda **_options: None  # the options of a plugin are only known once Ansible has loaded it
    (run,) = lookup.run(list(terms))
    return t.cast("dict[str, t.Any]", run)


def test_a_worker_names_its_parent() -> None:
    here = ask()
    assert (here["pid"], alive(here)) == (os.getpid(), True)
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    worker = context.Process(target=lambda: send.send(ask()))
    worker.start()
    assert receive.poll(30)
    assert identity(receive.recv()) == identity(here)
    worker.join()


@pytest.mark.parametrize("terms, sudo, user", [(("carol",), "dave", "carol"), (("",), "dave", "dave"), ((), "dave", "dave")])
def test_who_it_is(terms: tuple[str, ...], sudo: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", sudo)
    assert ask(*terms)["user"] == user
