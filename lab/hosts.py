# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts themselves: one overlayfs each, an inventory that reaches them, a web server for the repository host."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

from lab.roots import LabError

SITE_NAME = "repo.demo.example"
ENTER = Path(__file__).resolve().parent / "enter"
_HOSTS_FILE = f"127.0.0.1 localhost {SITE_NAME}\n"

NGINX_CONFIGURATION = """\
worker_processes 1;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;
events { worker_connections 256; }
http {
    access_log /var/log/nginx/access.log;
    types { }
    default_type application/octet-stream;
    sendfile on;
    keepalive_requests 100000;
    server {
        listen 127.0.0.1:80;
        server_name repo.demo.example;
        root /srv/repository;
        autoindex on;
    }
}
"""


@dataclass(frozen=True)
class Host:
    """One throw-away host: its name, the layer it is made of (see roots.LAYERS), and where its files live."""

    name: str
    layer: str
    state: Path

    @property
    def directory(self) -> Path:
        return self.state / "hosts" / self.name

    @property
    def root(self) -> Path:
        """The host's root directory while it is mounted."""
        return self.directory / "root"

    def mount(self, layers: t.Sequence[Path]) -> None:
        """Mount the host; what it wrote in an earlier session is still there."""
        fresh = not (self.directory / "upper").exists()
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in layers)
        # volatile: nobody wants a throw-away host back after a power cut, so nothing waits for the disk. The kernel marks
        # such a work directory against reuse after a crash; what an ended session left is whole.
        shutil.rmtree(self.directory / "work/work/incompat", ignore_errors=True)
        options = f"lowerdir={lower},upperdir={self.directory}/upper,workdir={self.directory}/work,volatile"
        _mount("-t", "overlay", "overlay", "-o", options, str(self.root))
        _mount("-t", "proc", "proc", str(self.root / "proc"))
        if fresh:
            self._first_boot()

    def _first_boot(self) -> None:
        """Make the root a host of its own: a name, no way out, none of the building machine's repositories."""
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(_HOSTS_FILE)
        (self.root / "etc/resolv.conf").unlink(missing_ok=True)
        (self.root / "etc/resolv.conf").write_text("")
        (self.root / "etc/apt/sources.list").unlink(missing_ok=True)
        # The machine's proxy was right for building the root; behind it nobody knows our repository host.
        (self.root / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
        for source in (self.root / "etc/apt/sources.list.d").glob("*"):
            source.unlink()
        if self.layer == "repository":
            (self.root / "srv/repository").mkdir(parents=True, exist_ok=True)
            (self.root / "etc/nginx/nginx.conf").write_text(NGINX_CONFIGURATION)

    def serve(self) -> subprocess.Popen[bytes]:
        """Start nginx in the foreground on the host's loopback; the namespace ends it with everything else."""
        return subprocess.Popen(["chroot", str(self.root), "nginx", "-g", "daemon off;"], stdin=subprocess.DEVNULL)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        hint = "Is the folder on a file system that overlayfs can write to (ext4, xfs, btrfs, tmpfs)?"
        raise LabError(f"cannot mount {arguments[-1]}: {done.stderr.strip()}. {hint}")


def write_inventory(hosts: t.Sequence[Host], state: Path) -> Path:
    """Write the inventory that reaches the hosts; one group per layer: apt_hosts, dnf_hosts, repository_host.

    JSON is YAML, so Ansible's own yaml inventory plugin reads it; who is an early adopter is the site's inventory to say.
    """
    groups = {"deb": "apt_hosts", "rpm": "dnf_hosts", "repository": "repository_host"}
    children: dict[str, t.Any] = {}
    for host in hosts:
        entry = children.setdefault(groups[host.layer], {"hosts": {}})
        entry["hosts"][host.name] = {"ansible_host": str(host.root)}
    variables = {"ansible_connection": "community.general.chroot", "ansible_chroot_exe": str(ENTER), "ansible_python_interpreter": "/usr/bin/python3"}
    path = state / "inventory" / "lab.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"all": {"children": children, "vars": variables}}, indent=2) + "\n")
    return path


def remove_hosts(state: Path) -> None:
    """Remove every host below a state directory; nothing is mounted outside a session, so this is plain deletion."""
    for part in ("hosts", "inventory", "site"):
        shutil.rmtree(state / part, ignore_errors=True)
