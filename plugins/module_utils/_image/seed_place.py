# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A seed in its place: a disc image or a directory, readable by its owner alone, there wholly or not at all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_read import Entry, Image
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_write import Layout, padding

Files = t.Mapping[str, bytes]
_LARGEST = 64 << 20  # what a place may hold to be taken for a seed
_OF_A_SEED = re.compile(r"(meta-data|user-data|vendor-data|network-config|context\.sh|ovf-env\.xml|(openstack/)?latest/.+)")


def disc(files: Files, label: str, moment: int) -> bytes:
    """The image of a disc; the same files give the same bytes."""
    layout = Layout({path: len(content) for path, content in sorted(files.items())}, label, moment, "EGI.CMD SEED")
    return b"".join([*layout.head(), *(content + padding(len(content)) for _path, content in sorted(files.items()))])


def found(path: str, directory: bool) -> t.Optional[t.Dict[str, bytes]]:
    """The files of the seed that is there; None without one. What is no seed of that form is refused: it is not ours to replace."""
    if not os.path.lexists(path):
        return None
    action = f"replace {path}"
    if os.path.islink(path) or os.path.isdir(path) is not directory:
        raise Failure(action, f"it is not {'a directory' if directory else 'a file'}", "Move it away, or give another path")
    try:
        files = _in_directory(path) if directory else _in_disc(path)
        foreign = sorted(name for name in files if not _OF_A_SEED.fullmatch(name))
        if foreign:
            raise ValueError(f"{foreign[0]} is in it")
        return files
    except ValueError as error:
        raise Failure(action, f"it is no seed: {error}", "Move it away, or give another path") from None


def private(path: str) -> bool:
    """Whether nobody but the owner can read what is there."""
    places = [path, *(os.path.join(above, name) for above, names, more in os.walk(path) for name in names + more)]
    return not any(os.stat(place).st_mode & 0o077 for place in places)


def put_disc(path: str, image: bytes) -> None:
    """Write or replace the image of a disc."""
    descriptor, made = tempfile.mkstemp(dir=os.path.dirname(path), prefix=_prefix(path))  # mode 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except BaseException:
        os.unlink(made)
        raise
    _persist(os.path.dirname(path))


def put_directory(path: str, files: Files) -> None:
    """Write or replace a directory of files. Of a replacement, a moment's reader may see that there is none."""
    above = os.path.dirname(path)
    made = tempfile.mkdtemp(dir=above, prefix=_prefix(path))  # mode 0700
    try:
        for name, content in files.items():
            place = made
            for part in name.split("/")[:-1]:
                place = os.path.join(place, part)
                if not os.path.isdir(place):
                    os.mkdir(place, 0o700)
            place = os.path.join(made, name)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        old = tempfile.mkdtemp(dir=above, prefix=_prefix(path))
        if os.path.isdir(path):
            os.rename(path, os.path.join(old, "seed"))
        os.rename(made, path)
        _persist(above)
        shutil.rmtree(old)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove(path: str) -> None:
    """Remove a seed."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    _persist(os.path.dirname(path))


def sweep(path: str) -> None:
    """Remove what an earlier run left beside the place when it was killed."""
    above = os.path.dirname(path)
    for name in os.listdir(above):
        if name.startswith(_prefix(path)):
            remove(os.path.join(above, name))


def _prefix(path: str) -> str:
    return f".{os.path.basename(path)}.seed-"


def _persist(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_directory(path: str) -> t.Dict[str, bytes]:
    files: t.Dict[str, bytes] = {}
    room = _LARGEST
    for above, directories, names in os.walk(path):
        for name in names + directories:
            place = os.path.join(above, name)
            if os.path.islink(place) or not (os.path.isfile(place) or os.path.isdir(place)):
                raise ValueError(f"{os.path.relpath(place, path)} is no file")
        for name in names:
            place = os.path.join(above, name)
            room -= os.path.getsize(place)
            if room < 0:
                raise ValueError("it is larger than any seed")
            with open(place, "rb") as file:
                files[os.path.relpath(place, path)] = file.read()
    return files


def _in_disc(path: str) -> t.Dict[str, bytes]:
    if os.path.getsize(path) > _LARGEST:
        raise ValueError("it is larger than any seed")
    files: t.Dict[str, bytes] = {}
    with open(path, "rb") as file:
        image = Image(file)

        def walk(directory: Entry, above: str) -> None:
            if above.count("/") > 8 or len(files) > 1000:
                raise ValueError("it is deeper or fuller than any seed")
            for entry in image.listing(directory):
                if entry.directory:
                    walk(entry, f"{above}{entry.name}/")
                else:
                    files[above + entry.name] = b"".join(image.chunks(entry))

        walk(image.root, "")
    return files
