# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks against real programs, ports and web servers on this machine."""

from __future__ import annotations

import http.server
import pathlib
import socket
import threading
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._host import health
from ansible_collections.egi.cmd.plugins.module_utils._rollout.checks import checks_of


class Answers(http.server.BaseHTTPRequestHandler):
    """Says 200 and a text at /ready, 503 elsewhere."""

    def do_GET(self) -> None:
        ready = self.path == "/ready"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"42 workers are ready" if ready else b"starting")

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep quiet."""


@pytest.fixture
def web() -> t.Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def judged(check: t.Any, before: t.Any = None) -> tuple[str, str]:
    (result,) = health.run_all(checks_of([check]), before)
    return result["verdict"], result["detail"]


@pytest.mark.parametrize("check, detail", [
    ("true", ""), ({"command": "false", "rc": 1}, ""), ("false", "exited 1"), ("ls '/no where'", "exited 2: "),
    ("/no/program", "could not be run (No such file or directory)"),
    ({"command": "sleep 9", "timeout": 1}, "did not end in 1 s"),
])
def test_commands(check: t.Any, detail: str) -> None:
    verdict, said = judged(check)
    assert verdict == ("failed" if detail else "passed")
    assert said.startswith(detail)


def test_urls(web: str) -> None:
    assert judged({"url": f"{web}/ready", "contains": "are ready"}) == ("passed", "")
    assert judged({"url": f"{web}/", "status": 503, "contains": "starting"}) == ("passed", "")
    assert judged({"url": f"{web}/ready", "contains": "asleep"}) == ("failed", "answered without 'asleep'")
    assert judged({"url": f"{web}/"}) == ("failed", "answered 503 instead of 200")
    assert judged({"url": "http://127.0.0.1:9/"}) == ("failed", "did not answer ([Errno 111] Connection refused)")
    assert judged({"url": "nonsense"})[0] == "failed"


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert judged({"port": port}) == ("passed", "")
    assert judged({"port": port, "timeout": 0}) == ("failed", f"nothing listened on port {port} in 0 s")


def test_a_check_is_repeated_as_often_as_it_may(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "third-time"
    script.write_text(f"#!/bin/sh\necho >> {tmp_path}/tries\n[ $(wc -l < {tmp_path}/tries) -ge 3 ]\n")
    script.chmod(0o755)
    assert judged({"command": str(script), "retries": 1, "delay": 0}) == ("failed", "exited 1")
    assert judged({"command": str(script), "retries": 1, "delay": 0}) == ("passed", "")


def test_the_first_that_fails_is_the_last_that_runs() -> None:
    assert [(one["name"], one["verdict"]) for one in health.run_all(checks_of(["true", "false", "echo"]))] == [("true", "passed"), ("false", "failed")]


def test_what_was_broken_before_is_not_blamed_on_the_change() -> None:
    checks = checks_of([{"command": "false", "compare": "result"}, {"command": "true", "compare": "result"}, "echo"])
    before = {one["name"]: one for one in health.baseline(checks)}
    assert sorted(before) == ["false", "true"]
    assert [one["verdict"] for one in health.run_all(checks, before)] == ["failed_before", "passed", "passed"]
    worse = {**before, "false": {**before["false"], "verdict": "passed"}}
    assert [one["verdict"] for one in health.run_all(checks, worse)] == ["failed"]
    assert [one["verdict"] for one in health.run_all(checks, {})] == ["failed"], "without a baseline a failure is one"


@pytest.mark.parametrize("before, now, tolerance, problem", [
    (100, 110, "10%", ""), (100, 111, "10%", "was 100 before the change and is 111, more than 10% away"), (100, 90, "10%", ""), (100, 89, "10%", "was 100"),
    (0, 0, "10%", ""), (0, 1, "10%", "was 0"), (5, 7, "2", ""), (5, 8, "2", "was 5 before the change and is 8, more than 2 away"),
    (-100, -111, "10%", "was -100"), (None, 5, "2", "printed no number before the change to compare"), (5, None, "2", "printed no number now to compare"),
])
def test_numbers_are_compared(before: float | None, now: float | None, tolerance: str, problem: str) -> None:
    (check,) = checks_of([{"name": "n", "command": f"echo {'none' if now is None else now} rows", "compare": "number", "tolerance": tolerance}])
    (result,) = health.run_all([check], {"n": {"name": "n", "verdict": "passed", "detail": "", "value": before}})
    assert (result["verdict"], result["detail"][:len(problem)]) == ("failed" if problem else "passed", problem)
