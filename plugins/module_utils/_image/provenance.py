# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What an image was made of, in lines a person can compare; and where two root file systems differ. Pure but for reading tars."""

from __future__ import annotations

import hashlib
import tarfile
import typing as t

Image = t.Mapping[str, t.Any]

_MOST = 200  # differing files that are listed; more say no more


def lines(image: t.Optional[Image]) -> t.List[str]:
    """Return an image.json as sorted lines, for a diff. None gives none."""
    if image is None:
        return []
    found = [f"definition {image['definition']}"]
    found += [f"disk {image['disk']['sha256']}"] if image["disk"] else []
    found += [f"file {one['name']} {one['sha256']}" for one in image["files"]]
    found += [f"package {one['name']}:{one['architecture']} {one['version']} from {one['origin']}" for one in image["packages"]]
    found += [f"repository {one['name']} {one['uri']} priority {one['priority']}" for one in image["repositories"]]
    found += [f"tool {name} {version}" for name, version in image["tools"].items()]
    return sorted(found)


def differences(before: Image, after: Image) -> t.List[str]:
    """Return the lines that only one of two images has: ``- `` before the first's, ``+ `` before the second's."""
    one, other = set(lines(before)), set(lines(after))
    return [f"- {line}" for line in sorted(one - other)] + [f"+ {line}" for line in sorted(other - one)]


def differing_files(before: str, after: str) -> t.List[str]:
    """Return the paths that are not the same in two tars of root file systems, with what differs, sorted; at most 200."""
    one, other = _members(before), _members(after)
    found = []
    for path in sorted(set(one) | set(other)):
        if path not in one or path not in other:
            found.append(f"{path}: only {'before' if path in one else 'after'}")
        elif one[path] != other[path]:
            found.append(f"{path}: {', '.join(name for name in one[path] if one[path][name] != other[path][name])}")
    more = len(found) - _MOST
    return [*found[:_MOST], f"and {more} more"] if more > 0 else found


def _members(path: str) -> t.Dict[str, t.Dict[str, t.Any]]:
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            content = hashlib.sha256()
            handle = tar.extractfile(member) if member.isreg() else None
            for chunk in iter(lambda: handle.read(1 << 20) if handle else b"", b""):  # pylint: disable=cell-var-from-loop
                content.update(chunk)
            found["/" + member.name.lstrip("./")] = {
                "type": member.type, "mode": member.mode, "owner": (member.uid, member.gid), "time": int(member.mtime), "link": member.linkname,
                "content": content.hexdigest(), "attributes": {name: value for name, value in member.pax_headers.items() if name.startswith("SCHILY")},
            }
    return found
