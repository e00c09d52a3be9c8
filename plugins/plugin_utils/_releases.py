# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This plugin util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the filters about releases do around their call: check the manifests, turn refusals and dates into Ansible's own."""

from __future__ import annotations

import collections.abc as c
import datetime
import functools
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of


def refusing(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Return a filter's function whose refusals are AnsibleFilterErrors."""

    @functools.wraps(function)
    def filtered(*arguments: t.Any, **options: t.Any) -> t.Any:
        try:
            return function(*arguments, **options)
        except Failure as failure:
            raise AnsibleFilterError(str(failure)) from None

    return filtered


def checked(data: t.Any) -> t.Dict[str, t.Any]:
    """Return data as a checked manifest. Raises Failure."""
    name = data.get("name") if isinstance(data, c.Mapping) else None
    return manifest.check(data, name if isinstance(name, str) else "(data)")


def all_checked(data: t.Any) -> t.List[t.Dict[str, t.Any]]:
    """Return one manifest, or a list of them, as checked manifests. Raises Failure."""
    return [checked(entry) for entry in (data if isinstance(data, (list, tuple)) else [data])]


def optional_day(value: t.Any, action: str) -> t.Optional[datetime.date]:
    """Return a day, or None for nothing; an empty text is nothing, because that is how a variable is left empty."""
    return day_of(value, action) if value not in (None, "") else None


def texts_of_dates(value: t.Any) -> t.Any:
    """Return a copy with every date as YYYY-MM-DD: templating before ansible-core 2.19 cannot hand on a date."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: texts_of_dates(entry) for key, entry in value.items()}
    return [texts_of_dates(entry) for entry in value] if isinstance(value, list) else value
