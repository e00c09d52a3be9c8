# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Kickstart files: packages, repositories and the script after the installation, read by pykickstart."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_wishes import Wishes

_READ = {"repo", "url"}
# About the installer itself, which does not run here.
_WITHOUT_MEANING = {"cmdline", "graphical", "text", "reboot", "poweroff", "shutdown", "halt", "install", "skipx", "eula"}
_INCLUDE = re.compile(r"^\s*%(include|ksappend)\b", re.MULTILINE)
_DIRECTIVE = re.compile(r"\s*([a-z][a-z0-9_]*)\b")
_SECTION = re.compile(r"\s*%(\w+)")


def read(text: str, path: str) -> Wishes:
    """Read a kickstart file. path: for errors. Raises Failure for what is none, and by name for what means nothing for an image."""
    action = f"read kickstart {path}"
    handler = _parsed(text, action)
    strange = sorted(_directives(text) - _READ - _WITHOUT_MEANING)
    if strange:
        raise Failure(action, f"{', '.join(strange)} {'means' if len(strange) == 1 else 'mean'} nothing for an image",
                      "Remove it; cloud-init does this at first boot")
    return Wishes(_packages(handler.packages, action), tuple(_repositories(handler, action)), _post(handler.scripts, action))


def _parsed(text: str, action: str) -> t.Any:
    try:
        from pykickstart.errors import KickstartError
        from pykickstart.parser import KickstartParser
        from pykickstart.version import makeVersion
    except ImportError as error:
        raise Failure(action, "the Python library pykickstart is missing", "Install pykickstart for the Python that runs modules on the build host") from error
    included = _INCLUDE.search(text)
    if included:
        raise Failure(action, f"it has %{included.group(1)}, and what it would include is not known", "Write it into one file")
    handler = makeVersion()
    try:
        KickstartParser(handler, followIncludes=False).readKickstartFromString(text)
    except KickstartError as error:
        raise Failure(action, " ".join(str(error).split()), "Correct it; ksvalidator says the same") from error
    return handler


def _directives(text: str) -> t.Set[str]:
    """The commands of a file that pykickstart has accepted: the first word of every line outside sections."""
    found: t.Set[str] = set()
    inside = False
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section:
            inside = section.group(1) != "end"
        elif not inside:
            directive = _DIRECTIVE.match(line)
            found |= {directive.group(1)} if directive else set()
    return found


def _packages(section: t.Any, action: str) -> t.Tuple[str, ...]:
    for what, names in (("group @", [one.name for one in section.groupList]), ("exclusion -", section.excludedList),
                        ("exclusion -@", [one.name for one in section.excludedGroupList])):
        if names:
            raise Failure(action, f"%packages has the {what}{names[0]}", "Name packages: what a group holds changes with the repository")
    return tuple(sorted(set(section.packageList)))


def _repositories(handler: t.Any, action: str) -> t.Iterator[t.Tuple[str, str]]:
    places = [("install", handler.url)] if handler.url.seen else []
    for name, one in places + [(one.name, one) for one in handler.repo.repoList]:
        url = getattr(one, "url" if name == "install" else "baseurl")
        if not url:
            raise Failure(action, f"repository '{name}' has no URL of its own, but a list of mirrors", "Give its URL")
        yield re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-"), url


def _post(scripts: t.Sequence[t.Any], action: str) -> str:
    from pykickstart.constants import KS_SCRIPT_POST

    text = ""
    for one in scripts:
        if one.type != KS_SCRIPT_POST:
            raise Failure(action, "it has a script that is not %post", "Remove it: no installer runs")
        if not one.inChroot or one.interp != "/bin/sh":
            raise Failure(action, f"%post runs {'outside the image' if not one.inChroot else 'in ' + one.interp}", "Write it for /bin/sh inside the image")
        text += one.script
    return text
