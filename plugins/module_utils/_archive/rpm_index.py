# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""repodata of one RPM repository, made by createrepo_c and proved to list exactly what it shall."""

from __future__ import annotations

import contextlib
import gzip
import html
import os
import re
import shutil
import subprocess
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_REVISION = re.compile(rb"<revision>([0-9]+)</revision>")
_PRIMARY = re.compile(rb'href="repodata/([^"/]+-primary\.xml\.gz)"')
_NAMED = re.compile(rb'href="repodata/([^"/]+)"')
_HREF = re.compile(rb'<location href="([^"]+)"')


def create(repository: str, packages: t.Sequence[str], output: str, revision: int) -> t.Dict[str, bytes]:
    """Make the index of the packages (paths below repository) in output; returns file name -> bytes.

    revision: seconds since 1970, stands for every clock createrepo_c would read, so equal input gives equal bytes.
    Raises Failure when createrepo_c is missing, fails, or leaves a package out.
    """
    action = f"index {repository}"
    program = find_program()
    os.makedirs(output)
    listing = os.path.join(output, "packages")
    with open(listing, "w", encoding="utf-8") as file:
        file.writelines(f"{path}\n" for path in packages)
    command = [
        program, "--quiet", "--error-exit-val", "--no-database", "--general-compress-type", "gz", "--checksum", "sha256",
        "--revision", str(revision), "--set-timestamp-to-revision", "--pkglist", listing, "--outputdir", output,
    ]
    if os.path.isdir(os.path.join(repository, "repodata")):
        command += ["--update", "--update-md-path", repository]
    done = subprocess.run([*command, repository], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Failure(action, lines[-1] if lines else f"createrepo_c ended with {done.returncode}", "Run createrepo_c there by hand")
    files = {}
    for entry in os.scandir(os.path.join(output, "repodata")):
        with open(entry.path, "rb") as data:
            files[entry.name] = data.read()
    difference = listed(os.path.join(output, "repodata")) ^ set(packages)
    if difference:
        raise Failure(action, f"createrepo_c listed other packages: {', '.join(sorted(difference)[:5])}", "Run createrepo_c there by hand")
    return files


def find_program() -> str:
    """Path of createrepo_c; Failure naming the package to install when it is missing."""
    program = shutil.which("createrepo_c")
    if not program:
        raise Failure("index packages", "the program createrepo_c is missing", "Install createrepo-c (Debian) or createrepo_c (Enterprise Linux)")
    return program


def revision_of(repomd: bytes) -> int:
    """The revision of a repomd.xml, 0 when it has none that is a number."""
    match = _REVISION.search(repomd)
    return int(match.group(1)) if match else 0


def named(repomd: bytes) -> t.List[str]:
    """The files below repodata/ that a repomd.xml names, sorted."""
    return sorted(name.decode("utf-8", "replace") for name in _NAMED.findall(repomd))


def listed(directory: str) -> t.Set[str]:
    """The packages an index lists, as paths below the repository. directory: its repodata; missing files list nothing."""
    with contextlib.suppress(OSError, EOFError):
        with open(os.path.join(directory, "repomd.xml"), "rb") as repomd:
            primary = _PRIMARY.search(repomd.read())
        if primary:
            with gzip.open(os.path.join(directory, primary.group(1).decode("utf-8", "replace"))) as file:
                return {html.unescape(href.decode("utf-8", "replace")) for href in _HREF.findall(file.read())}
    return set()
