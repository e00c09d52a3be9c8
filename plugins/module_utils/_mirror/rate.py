# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One bandwidth limit shared by all threads."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

_BURST = 0.1  # seconds' worth of bytes that may pass at once: long pauses would look like a stalled connection


class Limit:
    """Spend bytes, learn how long to pause. bytes_per_second None: never."""

    def __init__(self, bytes_per_second: Optional[int] = None, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = bytes_per_second
        self._now = now
        self._lock = threading.Lock()
        self._paid_until = now()

    @property
    def portion(self) -> int:
        """Most bytes to read at once so that pauses stay short."""
        largest = 256 * 1024
        return largest if self._rate is None else max(1, min(largest, int(self._rate * _BURST)))

    def charge(self, count: int) -> float:
        """Count bytes that just arrived and return the seconds the caller pauses before it reads on."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._now()
            self._paid_until = max(self._paid_until, now - _BURST) + count / self._rate
            return max(0.0, self._paid_until - now)
