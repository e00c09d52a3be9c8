# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session: hosts mounted, web server up, one command run, everything gone when it ends.

The session lives in its own mount, pid and network namespace. When its first process ends, for whatever reason, the
kernel ends all others, unmounts the hosts and closes the sockets: nothing needs cleaning up, not even after kill -9.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from lab.hosts import Host, remove_hosts, write_inventory
from lab.roots import BOUND_TO_PARENT, LabError, build

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x1 | 0x40
_SERVER_PATIENCE = 10.0
_END_PATIENCE = 3.0


def run(cache: Path, state: Path, hosts: t.Mapping[str, str], command: t.Sequence[str], *, fresh: bool, discard: bool) -> int:
    """Run command in a session and return its exit status; 128 + signal when a signal ended it.

    hosts: name -> layer (see roots.LAYERS); the roots are built first, outside, where there is a network.
    fresh: begin with new hosts; discard: remove the hosts afterwards, also when interrupted.
    """
    build(cache, sorted(set(hosts.values())))
    if fresh:
        forget(state)
    state.mkdir(parents=True, exist_ok=True)
    inside = [sys.executable, "-m", "lab", "inside", "--cache", str(cache), "--state", str(state)]
    for name, layer in hosts.items():
        inside += ["--host", f"{name}={layer}"]
    namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    search = [str(Path(__file__).resolve().parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": ":".join(search)}
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    unshare = subprocess.Popen([*BOUND_TO_PARENT, "unshare", *namespaces, "--", *inside, "--", *command], env=environment)
    try:
        return unshare.wait()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        _finish(unshare)
        if discard:
            forget(state)


def _finish(unshare: subprocess.Popen[bytes]) -> None:
    """End the session's first process, and return when the kernel has ended all others and unmounted the hosts.

    unshare itself ignores signals while its child runs, and would be gone before the rest of the session is.
    """
    for ending in (signal.SIGTERM, signal.SIGKILL):
        children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            unshare.wait(_END_PATIENCE)
            return
    unshare.kill()
    unshare.wait()


def forget(state: Path) -> None:
    """Remove the hosts below a state directory. Raises LabError while a session uses them."""
    if state.exists():
        with _only_session(state):
            remove_hosts(state)


def inside(cache: Path, state: Path, specification: t.Mapping[str, str], command: t.Sequence[str]) -> int:
    """First process of the session: bring up loopback, mount, serve, run, and return the command's exit status."""
    lock = _only_session(state)
    signal.signal(signal.SIGTERM, _end)
    _loopback_up()
    layers = build(cache, sorted(set(specification.values())))
    hosts = [Host(name, layer, state) for name, layer in specification.items()]
    for host in hosts:
        host.mount(layers[host.layer])
    inventory = write_inventory(hosts, state)
    for host in hosts:
        if host.layer == "repository":
            _wait_for_server(host.serve())
    environment = {**os.environ, "LAB_STATE": str(state), "LAB_INVENTORY": str(inventory)}
    try:
        return _attend(subprocess.Popen(list(command), env=environment))
    except KeyboardInterrupt:
        return 130
    finally:
        lock.close()


def _attend(command: subprocess.Popen[bytes]) -> int:
    """Wait for a process and return its exit status, reaping every orphan meanwhile, as a first process must.

    dnf takes a process that ended but was never reaped for one that still holds its lock.
    command: the object and not its number, because a Popen nobody holds any more reaps its process by itself.
    """
    while True:
        ended, status = os.wait()
        if ended == command.pid:
            return os.waitstatus_to_exitcode(status)


def _end(signum: int, _frame: t.Any) -> t.NoReturn:
    sys.exit(128 + signum)


def _only_session(state: Path) -> t.IO[str]:
    """Two sessions on the same hosts would mount one upper directory twice, which overlayfs does not survive."""
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LabError(f"another session uses the hosts in {state}: wait for it or end it") from None
    return lock


def _loopback_up() -> None:
    """Set IFF_UP on ``lo`` (netdevice(7)); a new network namespace has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))


def _wait_for_server(server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SERVER_PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LabError(f"nginx on the repository host ended with {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 80)) == 0:
                return
        time.sleep(0.05)
    raise LabError("nginx on the repository host does not answer on port 80")
