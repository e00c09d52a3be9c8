# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of either family: kills a change of a set before each of its steps, heals, and looks at what is there.

Arguments: a JSON file with the set that is live, one with the set that is wanted (no repositories: it is to go), and
optionally the only step to kill before, without healing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import typing as t

from fingerprint import LOOKED_AT, fingerprint

from ansible_collections.egi.cmd.plugins.module_utils._host import change, generations, repository, transaction
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Proof

_CHANGES = ("rename", "link", "unlink", "mkdir", "rmdir", "fsync", "fchmod")
_STAGED = "/tmp/staged"
_FAMILY = host_family()


class Wish:
    """A set that is wanted, with a proof that is made once."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as handle:
            arguments = json.load(handle)
        self.name = arguments["name"]
        self.repositories = repository.parse(arguments["repositories"], _FAMILY.name, self.name) if "repositories" in arguments else []
        self.proof = self._proof(f"{_STAGED}/{os.path.basename(path)}") if self.repositories else None

    def change(self) -> change.Change:
        if self.repositories:
            return change.present(_FAMILY, self.name, self.repositories, True, 30)
        return change.absent(_FAMILY, self.name)

    def _proof(self, kept: str) -> Proof:
        scratch = generations.scratch(self.name)
        proof = change.prove(self.change(), self.repositories, scratch, run, 30)
        shutil.copytree(scratch, kept, symlinks=True)
        change.clean(scratch)
        return Proof(proof.priorities, [(staged.replace(scratch, kept), live) for staged, live in proof.prefetched], proof.caches)

    def apply(self) -> None:
        change.apply(self.change(), self.proof, run)


def run(argv: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Tuple[int, str, str]:
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def die_at(last: int) -> None:
    """Count every call that changes the file system, and never return from the one before which the process dies."""
    calls = 0

    def counted(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **keywords: t.Any) -> t.Any:
            nonlocal calls
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)

        return call

    for name in _CHANGES:
        setattr(os, name, counted(getattr(os, name)))


def killed(wish: Wish, step: int) -> bool:
    """Return whether the change was killed before the step; False when it was through before."""
    child = os.fork()
    if child == 0:
        die_at(step)
        wish.apply()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def seen() -> t.Dict[str, str]:
    """Return the host, but for the memory of which generations it had: a change that came through is remembered."""
    return {path: text for path, text in fingerprint("/", LOOKED_AT[_FAMILY.name]).items() if "/generations" not in path and not path.endswith("current.json")}


def main() -> int:
    os.umask(0o022)
    shutil.rmtree(_STAGED, ignore_errors=True)
    live, wanted = Wish(sys.argv[1]), Wish(sys.argv[2])
    if len(sys.argv) > 3:
        return 0 if killed(wanted, int(sys.argv[3])) else 1
    live.apply()  # with the metadata of this proof: keyrings in dnf's cache differ from proof to proof
    before = seen()
    wanted.apply()
    after = seen()
    live.apply()
    wrong = 0 if seen() == before and before != after else 1
    step = 1
    while killed(wanted, step):
        unhealed = seen()
        transaction.heal(generations.BASE)
        now = seen()
        changed = [path for path in {*now, *before} if now.get(path) != before.get(path) and now != after]
        outcome = "as before" if now == before else "as wanted"
        print(f"WRONG {step}: {changed}" if changed else f"step {step}: {outcome}{'' if unhealed == now else ', healed'}")
        wrong += bool(changed)
        live.apply()
        step += 1
    live.apply()
    return 1 if wrong or seen() != before else 0


sys.exit(main())
