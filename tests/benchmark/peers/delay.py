# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy that is a long way off: everything arrives later, nothing arrives slower.

    python3 delay.py <listen host> <server host> <port> <round trip in seconds>

Half the round trip passes in each direction, and a whole one before a connection is open, as its handshake takes.
The bandwidth is not limited, there is no loss, and a window never closes.
"""

from __future__ import annotations

import asyncio
import collections
import selectors
import sys
import typing as t


class _Pipe(asyncio.Protocol):
    """One end of a connection; what arrives here leaves at the other end after the delay."""

    def __init__(self, delay: float, wait: float) -> None:
        """wait: seconds before the first bytes may start on their way."""
        self._delay = delay
        self._opened = asyncio.get_running_loop().time() + wait
        self._waiting: t.Deque[t.Tuple[float, t.Optional[bytes]]] = collections.deque()
        self._timer: t.Optional[asyncio.TimerHandle] = None
        self.other: t.Optional[_Pipe] = None
        self.transport: t.Optional[asyncio.Transport] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = t.cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._send(data)

    def connection_lost(self, exc: t.Optional[Exception]) -> None:  # noqa: ARG002  asyncio's signature
        self._send(None)

    def _send(self, data: t.Optional[bytes]) -> None:
        """None: the end of the connection, which takes its time too."""
        now = asyncio.get_running_loop().time()
        self._waiting.append((max(now, self._opened) + self._delay, data))
        if self._timer is None:
            self._deliver()

    def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        there = self.other.transport if self.other else None
        while there and self._waiting and self._waiting[0][0] <= loop.time():
            data = self._waiting.popleft()[1]
            if data is None:
                there.close()
            elif not there.is_closing():
                there.write(data)
        if self._waiting:
            self._timer = loop.call_at(max(self._waiting[0][0], loop.time()), self._deliver)


class _Near(_Pipe):
    """The client's end: opens the way to the server."""

    def __init__(self, server: t.Tuple[str, int], delay: float) -> None:
        super().__init__(delay, 2 * delay)
        self._server = server
        self._opening: t.Optional[asyncio.Task[None]] = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        far = _Pipe(self._delay, 0.0)
        far.other = self
        await asyncio.get_running_loop().create_connection(lambda: far, *self._server)
        self.other = far
        if self._timer is None:
            self._deliver()


async def _serve(listen: str, server: str, port: int, round_trip: float) -> None:
    await (await asyncio.get_running_loop().create_server(lambda: _Near((server, port), round_trip / 2), listen, port)).serve_forever()


def main() -> None:
    """Run until killed."""
    listen, server, port, round_trip = sys.argv[1:]
    # epoll counts whole milliseconds; select does not.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(_serve(listen, server, int(port), float(round_trip)))


if __name__ == "__main__":
    main()
