# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems of the throw-away hosts: one base, thin layers on top, cached by recipe.

base        Debian or Ubuntu, the machine's own release: apt and a minimal Python
deb         base and python3-apt: an apt host
rpm         base and rpm, dnf, python3-dnf, an AlmaLinux os-release: a dnf host
repository  base and what a repository host needs: nginx, createrepo_c, rpm tools, dpkg-dev, gpg, libsolv
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

LAYERS: dict[str, tuple[str, ...]] = {
    "deb": ("python3-apt",),
    "rpm": ("dnf", "python3-dnf", "rpm"),
    "repository": ("createrepo-c", "debootstrap", "dnf", "dpkg-dev", "gnupg", "nginx-light", "python3-dnf", "python3-solv", "rpm", "xz-utils", "zstd"),
}
_BASE_PACKAGES = ("ca-certificates", "gpgv", "python3-minimal", "libpython3-stdlib")
# Nobody reads manuals in a throw-away host; without them a root is a third smaller.
_NO_DOCUMENTATION = tuple(f"path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info"))
_RECIPE = "6"

BOUND_TO_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""Prefix of a command that shall not outlive the process that starts it, not even after kill -9."""

ALMALINUX_OS_RELEASE = """\
NAME="AlmaLinux"
VERSION="9.4 (Seafoam Ocelot)"
ID="almalinux"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot), look-alike on a throw-away host"
CPE_NAME="cpe:/o:almalinux:almalinux:9::baseos"
"""
ALMALINUX_RELEASE = "AlmaLinux release 9.4 (Seafoam Ocelot)\n"


class LabError(Exception):
    """A throw-away host cannot be made or used; the message says why and what to do."""


def os_release() -> dict[str, str]:
    """The machine's own /etc/os-release as a dict (os-release(5))."""
    pairs = (line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def host_suite() -> str:
    """Codename of the machine's own release; the roots are built from it."""
    codename = os_release().get("VERSION_CODENAME", "")
    if os_release().get("ID") not in ("debian", "ubuntu") or not codename:
        raise LabError("throw-away hosts are built on Debian 12/13 or Ubuntu 22.04/24.04; /etc/os-release says otherwise")
    return codename


def _print_now(line: str) -> None:
    print(line, flush=True)


def build(cache: Path, names: t.Iterable[str], say: t.Callable[[str], None] = _print_now) -> dict[str, list[Path]]:
    """Make sure the named roots exist; return for each its overlay layers, uppermost first.

    A root is built beside its final place and renamed there when whole, so an interrupted build is never used.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        _sweep(cache)
        base = cache / _key("base", _BASE_PACKAGES)
        if not base.exists():
            say("  building the base root (once; kept for the next run)")
            _build_base(base)
        layers = {}
        for name in names:
            layer = cache / _key(name, LAYERS[name])
            if not layer.exists():
                say(f"  building the {name} root (once; kept for the next run)")
                _build_layer(name, base, layer)
            layers[name] = [layer, base]
        return layers


@contextlib.contextmanager
def _locked(path: Path) -> t.Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(name: str, packages: t.Iterable[str]) -> str:
    recipe = "\n".join([_RECIPE, host_suite(), name, *packages, *_BASE_PACKAGES])
    return f"{name}-{host_suite()}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _sweep(cache: Path) -> None:
    """Remove what an interrupted build left behind."""
    for leftover in cache.glob("*.part"):
        shutil.rmtree(leftover, ignore_errors=True)


def _run(command: list[str], what: str, **kwargs: t.Any) -> None:
    """Run a build step quietly; on failure show the end of its output, which names the reason.

    It gets mount and pid namespaces of its own: whatever happens, no mount and no process outlives the build.
    """
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"]
    done = subprocess.run([*BOUND_TO_PARENT, *isolated, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise LabError(f"cannot {what}: {command[0]} ended with {done.returncode}:\n{tail}")


def _apt_options() -> list[str]:
    """The machine's own proxy settings: roots are fetched through the same door as its packages."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=True).stdout
    wanted = ("Acquire::http::Proxy ", "Acquire::https::Proxy ", "Acquire::https::CAInfo ")
    return [line for line in dump.splitlines() if line.startswith(wanted)]


def _machine_sources() -> str | None:
    """The machine's own distribution sources, deb822 form: whatever mirror it uses is the one that is reachable."""
    for name in ("debian.sources", "ubuntu.sources"):
        path = Path("/etc/apt/sources.list.d") / name
        if path.exists():
            return path.read_text()
    return None


def _one_line_sources() -> str | None:
    path = Path("/etc/apt/sources.list")
    if not path.exists():
        return None
    lines = [line for line in path.read_text().splitlines() if line.startswith("deb ") and "cdrom:" not in line]
    return "\n".join(lines) + "\n" if lines else None


def _build_base(target: Path) -> None:
    part = target.with_suffix(".part")
    sources = _machine_sources() or _one_line_sources()
    command = ["mmdebstrap", "--variant=apt", "--mode=root", f"--include={','.join(_BASE_PACKAGES)}"]
    command += [f"--aptopt={option}" for option in [*_apt_options(), 'Acquire::Languages "none";']]
    command += [f"--dpkgopt={option}" for option in (*_NO_DOCUMENTATION, "force-unsafe-io")]
    command += [host_suite(), str(part)]
    if sources:
        command.append("-")
    # mmdebstrap keeps its own notes in TMPDIR: what an interrupted build leaves is swept with the rest.
    temporary = target.parent / "tmp.part"
    temporary.mkdir(exist_ok=True)
    _run(command, "build the base root", input=sources, env={**os.environ, "TMPDIR": str(temporary)})
    shutil.rmtree(temporary)
    (part / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (part / "usr/sbin/policy-rc.d").chmod(0o755)
    part.rename(target)


def _build_layer(name: str, base: Path, target: Path) -> None:
    """Install a layer's packages into an overlay over base; keep only the upper directory."""
    part = target.with_suffix(".part")
    upper, work, merged = part / "upper", part / "work", part / "merged"
    for directory in (upper, work, merged):
        directory.mkdir(parents=True)
    options = f"lowerdir={base},upperdir={upper},workdir={work},volatile"
    install = (
        f"set -e; mount -t overlay overlay -o '{options}' '{merged}'; mount -t proc proc '{merged}/proc'; "
        f"cp /etc/resolv.conf '{merged}/etc/resolv.conf' 2>/dev/null || true; "
        f"unset TMPDIR; export DEBIAN_FRONTEND=noninteractive; chroot '{merged}' apt-get -q update; "
        f"chroot '{merged}' apt-get -qy --no-install-recommends install {' '.join(LAYERS[name])}; "
        f"chroot '{merged}' apt-get clean"
    )
    _run(["sh", "-c", install], f"build the {name} root")
    for stale in ("var/lib/apt/lists", "var/cache/apt"):
        shutil.rmtree(upper / stale, ignore_errors=True)
    if name == "rpm":
        _make_almalinux(upper)
    if name in ("rpm", "repository"):
        _use_system_rpm_database(upper)
    upper.rename(target)
    shutil.rmtree(part, ignore_errors=True)


def _make_almalinux(root: Path) -> None:
    for place, text in (("etc/os-release", ALMALINUX_OS_RELEASE), ("usr/lib/os-release", ALMALINUX_OS_RELEASE),
                        ("etc/almalinux-release", ALMALINUX_RELEASE), ("etc/redhat-release", ALMALINUX_RELEASE)):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.write_text(text)
    (root / "etc/yum.repos.d").mkdir(parents=True, exist_ok=True)
    (root / "etc/pki/rpm-gpg").mkdir(parents=True, exist_ok=True)
    (root / "etc/dnf").mkdir(parents=True, exist_ok=True)
    (root / "etc/dnf/dnf.conf").write_text("[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n")


def _use_system_rpm_database(root: Path) -> None:
    """Debian's rpm keeps its database in HOME; a dnf host has it in /var/lib/rpm."""
    macros = root / "etc/rpm/macros"
    macros.parent.mkdir(parents=True, exist_ok=True)
    macros.write_text("%_dbpath /var/lib/rpm\n")
    (root / "var/lib/rpm").mkdir(parents=True, exist_ok=True)


def forget(cache: Path) -> None:
    """Remove all cached roots."""
    if cache.exists():
        with _locked(cache / "lock"):
            for entry in cache.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)


def unprivileged_reason() -> str | None:
    """Why this process cannot make hosts, in one line; None when it can."""
    if os.geteuid() != 0:
        return "root is needed (mounts and chroots): run it with sudo"
    if shutil.which("mmdebstrap") is None:
        return "mmdebstrap is missing: apt-get install mmdebstrap"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], stderr=subprocess.PIPE, text=True, check=False)
    return f"this machine does not allow namespaces ({probe.stderr.strip()}): use a virtual machine" if probe.returncode else None
