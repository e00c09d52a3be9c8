# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the run that a record names is still at work, asked on its machine or from what was seen there."""

from __future__ import annotations

import os

from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import alive, identity, observed, this_run

SEEN = {"machine": "bastion", "boot": "b", "processes": {"1": "5", "4711": "900", "4800": "1000"}}
RUN = {"machine": "bastion", "boot": "b", "pid": 4711, "started": "900", "user": "alice"}


def test_a_process_is_known_by_more_than_its_number() -> None:
    here = this_run(os.getpid(), "alice")
    assert alive(here) is True
    assert alive({**here, "started": "1"}) is False
    assert alive({**here, "boot": "another"}) is False
    assert alive({**here, "pid": 2**22 + 1}) is False
    assert alive({**here, "machine": "elsewhere"}) is None


def test_another_host_judges_by_what_was_seen_on_the_controller() -> None:
    assert alive(RUN, SEEN) is True
    assert alive({**RUN, "started": "899"}, SEEN) is False
    assert alive({**RUN, "pid": 4712}, SEEN) is False
    assert alive({**RUN, "machine": "elsewhere"}, SEEN) is None


def test_a_run_that_began_after_the_look_is_not_taken_for_dead() -> None:
    assert alive({**RUN, "pid": 5000, "started": "1001"}, SEEN) is True


def test_nothing_is_known_where_processes_cannot_be_seen() -> None:
    assert alive(RUN, {**SEEN, "processes": {}}) is None


def test_the_record_does_not_keep_what_the_machine_looked_like() -> None:
    assert identity({**observed(), **RUN}) == RUN
