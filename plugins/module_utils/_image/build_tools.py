# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Programs of the build host: run so that none outlives the build, in an environment that every host makes alike."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked

# setpriv(1): the program dies with the thread that started it, also after kill -9.
_BOUND = ("setpriv", "--pdeathsig", "KILL", "--")
# mmdebstrap and dnf start programs of their own; those die with the first process of a pid namespace.
_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {
    "debugfs": "e2fsprogs", "dnf": "dnf", "e2fsck": "e2fsprogs", "grub-mkimage": "grub-common", "mtools": "mtools", "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools", "mmdebstrap": "mmdebstrap", "qemu-img": "qemu-utils", "rpm": "rpm", "sfdisk": "fdisk", "tar": "tar", "xz": "xz-utils",
}
_VERSION_OPTIONS = {"debugfs": "-V", "e2fsck": "-V", "mkfs.ext4": "-V", "mkfs.vfat": "--help"}
_VERSION = re.compile(r"\d+(?:\.\d+)+\S*|\b\d{8}\b")


def environment(epoch: int, scratch: str) -> t.Dict[str, str]:
    """Return the environment of a program: only what is named here. epoch: seconds, for everything that writes a time."""
    kept = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    return {
        **kept, "PATH": _PATH, "HOME": scratch, "TMPDIR": scratch, "LC_ALL": "C.UTF-8", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(epoch),
        "E2FSPROGS_FAKE_TIME": str(epoch), "DEBIAN_FRONTEND": "noninteractive",
    }


def require(names: t.Iterable[str], action: str) -> None:
    """Raise Failure naming every program that is missing, and the packages that have them."""
    missing = sorted(name for name in names if shutil.which(name, path=_PATH) is None)
    if missing:
        raise Failure(action, f"{', '.join(missing)} is not installed", f"Install {' '.join(sorted({_PACKAGES.get(name, name) for name in missing}))}")


def version(name: str) -> str:
    """Return the version a program says it has. Raises Failure when it does not start."""
    command = [name, _VERSION_OPTIONS.get(name, "--version")]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
                              env={"PATH": _PATH, "LC_ALL": "C.UTF-8"})
    except (OSError, subprocess.SubprocessError) as error:
        raise Failure(f"ask {name} for its version", str(error), f"Install {_PACKAGES.get(name, name)}") from error
    found = _VERSION.search(done.stdout.decode("utf-8", "replace"))
    return found.group(0).rstrip(",;:)") if found else "unknown"


def run(command: t.Sequence[str], action: str, env: t.Mapping[str, str], log: str, directory: str = "/", namespace: bool = False) -> str:
    """Run a program to its end; return its standard output. Raises Failure with the last thing it said.

    log: file that gets what it says on standard error. namespace: its children end with it (needs root).
    """
    prefix = (*_BOUND, *(_NAMESPACE if namespace else ()))
    with open(log, "ab") as errors:
        start = errors.tell()
        errors.write(f"$ {masked(' '.join(command))}\n".encode())
        errors.flush()
        try:
            done = subprocess.run([*prefix, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=dict(env), cwd=directory,
                                  check=False)
        except OSError as error:
            raise Failure(action, f"{command[0]}: {error.strerror}", f"Install {_PACKAGES.get(command[0], command[0])}") from error
    if done.returncode:
        raise Failure(action, _told(log, start) or f"{command[0]} ended with {done.returncode}", f"Everything it said is in {log}")
    return done.stdout.decode("utf-8", "replace")


_ERROR = re.compile(r"^(?:E|Error|error|fatal): (.*)")
# What mmdebstrap says of itself when a program it started has failed.
_CONSEQUENCE = re.compile(r"^E: (?:setup failed|command failed|run_\w+ failed|mmdebstrap failed|.* worker died|Sub-process)|^I: ")


def _told(log: str, start: int) -> str:
    """Return what a program said of its failure: its first line of an error; or else the last line before the consequences."""
    with open(log, "rb") as handle:
        handle.seek(start)
        lines = [line for line in handle.read().decode("utf-8", "replace").splitlines()[1:] if line.strip()]
    causes = [line for line in lines if not _CONSEQUENCE.match(line)]
    errors = [match.group(1) for match in map(_ERROR.match, causes) if match]
    return errors[0] if errors else causes[-1] if causes else ""
