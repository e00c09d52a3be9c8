# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide docs/lifecycle.md: what it shows is what comes out."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.display import event_lines, status_lines
from ansible_collections.egi.cmd.plugins.module_utils._release.routing import Gap, gaps, products_from, waivers_from
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import schedule
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day

DOCS = pathlib.Path(__file__).parents[5] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an installed collection has no docs")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / "lifecycle.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def site(**changes):
    release = manifest.load_file(str(DOCS / "examples" / "site-release.yml"))
    return manifest.check({**release, **yaml.safe_load(blocks("yaml")[0]), **changes}, "site-release.yml")


def test_the_shown_calendar_is_what_the_shown_dates_give():
    assert [*status_lines(site(), day("2026-12-22")), *event_lines(schedule([site()]))] == blocks("text")[0].splitlines()


def test_the_shown_error_is_what_contradicting_dates_give():
    with pytest.raises(Failure) as caught:
        site(dates={"ga": "2026-09-01", "updates_until": "2029-01-01"}, releases=[])
    assert blocks("text")[1].strip() in str(caught.value)


def test_the_shown_products_are_complete_while_the_shown_waiver_lasts():
    shown = yaml.safe_load(blocks("yaml")[-1])[0]["vars"]
    products, waivers = products_from(shown["products"], "test"), waivers_from(shown["waivers"], "test")
    release = manifest.load_shipped("cmd-os-1")
    assert gaps(products, release, waivers, day("2017-03-31")) == []
    assert gaps(products, release, [], day("2017-03-31")) == [
        Gap("version", "example.bdii", ["centos7", "xenial"], "example.bdii has different versions: 1.4.0 on centos7, 1.3.0 on xenial")]
