# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Throw-away roots: layers over a base root, and programs that run in them with a mount, pid and network namespace of their own.

The first process of the namespaces dies with this one, and the kernel takes every mount and process with it: nothing has to be
cleaned up, not even after kill -9. What stays are plain files below the workshop's directory, which the next workshop there removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_OURS = "egi-cmd-trials"
_IS_A_ROOT = "Give a directory or a tarball that has a root file system, as mmdebstrap or dnf --installroot makes one"
# setpriv: the command dies with the process that starts it; unshare does the same for the first process inside.
_ISOLATED = (
    "setpriv", "--pdeathsig", "KILL", "--",
    "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private", "--",
)
# netdevice(7): SIOCSIFFLAGS, IFF_UP | IFF_RUNNING. A new network namespace has its loopback down.
_LOOPBACK_UP = "import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 0x41))"
_DEVICES = "null zero full random urandom"
# The shell stays the first process and reaps orphans; dnf takes a process that ended unreaped for one that still holds its lock.
_ENTER = f"""\
umask 022
python=$1 root=$(realpath "$2") layers=$3 seen=$4 ready=$5; shift 5
"$python" -c "{_LOOPBACK_UP}"
if [ -n "$layers" ]; then mount -t overlay overlay -o "$layers" "$root"; fi
inside() {{ [ "$(realpath -m "$root$1")" = "$root$1" ] || {{ echo "$1 is or goes through a link in the root"; exit 1; }}; }}
inside /proc
inside /dev
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in {_DEVICES}; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
IFS=:
for path in $seen; do
    inside "$path"
    mkdir -p "$root$path"
    mount --bind "$path" "$root$path"
    mount -o remount,bind,ro "$root$path"
done
unset IFS
cd /
: >"$ready"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \\
    chroot "$root" "$@" && status=0 || status=$?
exit $status
"""
# volatile: nobody wants a throw-away root back after a power cut, so nothing waits for the disk. Kernels before 5.10 lack it.
_OVERLAYS = (",volatile", "")
_END_PATIENCE = 5.0
_PATIENCE = 600.0


class Workshop:
    """A place below a directory in which roots are made; use it as a context. Only one at a time works in a directory.

    seen: directories of this machine that programs see at the same place, and cannot write to.
    """

    def __init__(self, directory: str, seen: t.Sequence[str]) -> None:
        self.directory, self.seen = f"{os.path.abspath(directory)}/{_OURS}", tuple(dict.fromkeys(os.path.abspath(path) for path in seen))
        self._overlay: t.Optional[str] = None

    def __enter__(self) -> Workshop:
        if os.geteuid() != 0:
            raise Failure("make throw-away roots", "this is not root, who alone may mount and chroot", "Run it as root (become: true)")
        for path in (self.directory, *self.seen):
            _require_plain(path)
        for path in self.seen:
            if not os.path.isdir(path):
                raise Failure("make throw-away roots", f"{path} is no directory", "Name directories of this host")
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        found = os.lstat(self.directory)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
            # Anybody can make names in /var/tmp.
            raise Failure("make throw-away roots", f"{self.directory} is not a directory that only root writes to", "Remove it, or give another work_path")
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(open(f"{self.directory}/lock", "w", encoding="ascii"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failure("make throw-away roots", f"another run works in {self.directory}", "Wait for it or end it, or give another work_path") from None
            self._leave = stack.pop_all()
        self._sweep()
        return self

    def __exit__(self, *_error: object) -> None:
        self._sweep()
        self._leave.close()

    def _sweep(self) -> None:
        for name in os.listdir(self.directory):
            if name != "lock":
                shutil.rmtree(f"{self.directory}/{name}")

    def base(self, source: str) -> Root:
        """A root on top of a directory or tarball, which stays as it is. Raises Failure."""
        action = f"use {source} as a root"
        lower = os.path.abspath(source)
        if not os.path.isdir(source):
            lower = f"{self.directory}/base"
            os.mkdir(lower)
            done = _run(["tar", "--extract", "--numeric-owner", "--xattrs", "--directory", lower, "--file", source])
            if done.returncode:
                raise Failure(action, _last_line(done.stdout) or "tar cannot unpack it", _IS_A_ROOT)
        if not all(os.path.lexists(f"{lower}/{path}") for path in ("bin/sh", "etc/os-release")):
            raise Failure(action, "it has no /bin/sh or no /etc/os-release", _IS_A_ROOT)
        _require_plain(lower)
        self._overlay = next((options for options in _OVERLAYS if self._can_overlay(lower, options)), None)
        return self.over((lower,), "prepared")

    def _can_overlay(self, lower: str, options: str) -> bool:
        """Whether the kernel mounts one here; a directory that is itself in an overlay, as in a container, often cannot be written to."""
        probe = Root(self, f"{self.directory}/probe", (lower,), options)
        try:
            return probe.run(["/bin/sh", "-c", ":"], f"{self.directory}/probe/log", _PATIENCE) == 0
        except Failure:
            return False
        finally:
            probe.remove()

    def over(self, lower: t.Tuple[str, ...], name: str) -> Root:
        """A root whose changes stay its own. lower: directories, the uppermost first."""
        return Root(self, f"{self.directory}/{name}", lower, self._overlay)


class Root:
    """One root. Programs run one after the other; each finds what those before it wrote, and none of their processes."""

    def __init__(self, workshop: Workshop, directory: str, lower: t.Tuple[str, ...], overlay: t.Optional[str]) -> None:
        self._workshop, self._directory, self._lower, self._overlay = workshop, directory, lower, overlay
        for part in ("upper", "work", "root"):
            os.makedirs(f"{directory}/{part}")
            os.chmod(f"{directory}/{part}", 0o755)  # the upper one's mode becomes that of /, whatever our umask is
        if overlay is None:
            # One that is no overlay is a copy of the one below, which was one itself.
            done = _run(["cp", "-a", "--one-file-system", "--reflink=auto", f"{lower[0]}/.", f"{directory}/upper"])
            if done.returncode:
                raise Failure(f"copy {lower[0]}", _last_line(done.stdout), "Give work_path a file system with room, or one that overlayfs can write to")

    def above(self, name: str) -> Root:
        """A root on top of this one, which must not run anything while that one lives."""
        return self._workshop.over((f"{self._directory}/upper", *self._lower), name)

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file. The root's own shell does it: links in the root lead to places in the root."""
        script = 'mkdir -p "$(dirname "$1")" && rm -f "$1" && cat >"$1" && chmod "$2" "$1"'
        self.check(["/bin/sh", "-c", script, "sh", path, f"{mode:o}"], f"write {path}", content)

    def check(self, command: t.Sequence[str], what: str, given: bytes = b"") -> str:
        """Run a program that has to succeed, and return all it said. what: verb and object. given: its standard input."""
        log = f"{self._directory}/log"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        status = self.run(command, log, _PATIENCE, given)
        with open(log, encoding="utf-8", errors="replace") as handle:
            text = handle.read()
        if status != 0:
            raise Failure(f"{what} in a throw-away root", _last_line(text) or f"{command[0]} ended with {status}", "Check that the root is whole")
        return text

    def run(self, command: t.Sequence[str], log: str, seconds: float, given: bytes = b"") -> t.Optional[int]:
        """Run a program; return its exit status, None if it did not end in time. log: file that gets all it says, appended."""
        ready = f"{self._directory}/ready"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ready)
        with open(log, "ab") as output, tempfile.TemporaryFile(dir=self._directory) as source:
            source.write(given)
            source.seek(0)
            process = subprocess.Popen([*_ISOLATED, "sh", "-euc", _ENTER, "sh", *self._place(), ready, *command], stdin=source, stdout=output, stderr=output)
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                _end(process)
        if not os.path.exists(ready):
            with open(log, encoding="utf-8", errors="replace") as handle:
                why = _last_line(handle.read()) or f"unshare ended with {status}"
            raise Failure("enter a throw-away root", why, "This needs a machine that allows namespaces and mounts")
        return status

    def _place(self) -> t.List[str]:
        """What the script that enters has to know: Python, where the root is, how it is mounted, what else it shows."""
        upper, seen = f"{self._directory}/upper", ":".join(self._workshop.seen)
        if self._overlay is None:
            return [sys.executable, upper, "", seen]
        # The kernel marks a volatile layer against use after a crash; what an ended run left is whole.
        shutil.rmtree(f"{self._directory}/work/work/incompat", ignore_errors=True)
        layers = f"lowerdir={':'.join(self._lower)},upperdir={upper},workdir={self._directory}/work{self._overlay}"
        return [sys.executable, f"{self._directory}/root", layers, seen]

    def remove(self) -> None:
        """Remove what was written to it."""
        shutil.rmtree(self._directory)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the namespaces' first process; unshare returns when the kernel has ended all others in there."""
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as handle:
            for child in handle.read().split():
                os.kill(int(child), signal.SIGKILL)
    try:
        process.wait(_END_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require_plain(path: str) -> None:
    if set(path) & set(":,\\\n"):
        raise Failure("make throw-away roots", f"{path!r} has a character that mount options cannot have", "Rename it")


def _run(command: t.Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
