# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The installer's images of a Debian archive. A suite's Release signs for their SHA256SUMS, which signs for them.

No signed file says how long they are, so mirrors are asked: one that lies is found out by the digest.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_indices import INSTALLER_SUMS
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source, Wanted, inside

_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")
_LONGEST = 16 << 20  # bytes of SHA256SUMS; Debian's have 30 kB
_REMEDY = "Ask the upstream; nothing was used"


def with_images(source: Source, snapshot: Snapshot, local: t.Callable[[str], str], sizes: t.Callable[[t.Sequence[str]], t.Mapping[str, int]]) -> Snapshot:
    """The snapshot of a source with the images its SHA256SUMS name.

    local: SHA-256 of a file in the store -> where it is; SHA256SUMS are there. sizes: how long files of the upstream are,
    as Transport.sizes(). Raises Failure when there are none, or one of them is not there.
    """
    sums = [file for file in snapshot.large if file.path.endswith(f"/{INSTALLER_SUMS}")]
    if not sums:
        raise Failure(f"mirror source '{source.name}'", "no suite of it lists installer images of these components and architectures",
                      "Take installer: true away, or name the suite that has them")
    digests: t.Dict[str, str] = {}
    for file in sums:
        directory = file.path[:-len(INSTALLER_SUMS)]
        digests.update({inside(directory + path): sha256 for path, sha256 in _listed(local(file.sha256), upstream.named(source, file.path)).items()})
    known = sizes(list(digests))
    missing = [path for path in digests if path not in known]
    if missing:
        why = f"it is listed in {INSTALLER_SUMS} and not there; so are {len(missing) - 1} more"
        raise Failure(f"mirror {upstream.named(source, missing[0])}", why, _REMEDY)
    large = snapshot.large + [Wanted(path, known[path], sha256) for path, sha256 in digests.items()]
    upstream.check_paths(source, snapshot.documents, large, snapshot.entries)
    return snapshot._replace(large=large)


def _listed(file: str, what: str) -> t.Dict[str, str]:
    """A SHA256SUMS file as path -> SHA-256."""
    with open(file, "rb") as stream:
        text = stream.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise Failure(f"read {what}", f"it is longer than {_LONGEST} bytes", _REMEDY)
    found: t.Dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            raise Failure(f"read {what}", f"its line {line[:120]!r} is not a digest and a path", _REMEDY)
        if found.setdefault(match.group(2), match.group(1)) != match.group(1):
            raise Failure(f"read {what}", f"it lists {match.group(2)[:120]} twice with different content", _REMEDY)
    return found
