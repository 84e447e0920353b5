"""`RoughLink`: a TCP proxy of our own that delays, stalls and cuts what passes, as a bad network does to a connection.

TCP hides lost packets: what is lost comes again a while later, and everything after it waits. So a "loss" here is a
stall of so long. It stands in the place of `tc netem`, which needs a kernel module that not every machine has.
"""

import asyncio
import contextlib
import random
import threading
from typing import Self

AGAIN_S = 0.2
"""How long TCP takes to send a lost packet again: Linux's shortest retransmission time-out."""


class RoughLink:
    """A proxy on this machine. A context manager; its settings may be changed at any time.

    Args:
        target: port of the server behind it.
        delay_s: one way.
        jitter_s: on top of it, evenly distributed.
        loss: share of the pieces that come `AGAIN_S` later, with all that follow.
        seed: of jitter and loss.

    Attributes:
        port: where clients connect.
        is_silent: nothing passes, and nobody is told.
    """

    def __init__(
        self, target: int, *, delay_s: float = 0.0, jitter_s: float = 0.0, loss: float = 0.0, seed: int = 0
    ) -> None:
        self.target, self.delay_s, self.jitter_s, self.loss = target, delay_s, jitter_s, loss
        self.is_silent = False
        self.port = 0
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rough-link", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)

    def cut(self) -> None:
        """Ends every connection; new ones are taken."""
        is_done = threading.Event()

        def cut() -> None:
            for writer in self._writers:
                writer.transport.abort()
            is_done.set()

        self._loop.call_soon_threadsafe(cut)
        is_done.wait(5.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        ways = self._pass(reader, far_writer), self._pass(far_reader, writer)
        with contextlib.suppress(asyncio.CancelledError):  # at the end of all
            await asyncio.gather(*ways, return_exceptions=True)
        self._writers -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
        sending = self._loop.create_task(self._send(pieces, writer))
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                again_s = AGAIN_S if self._random.random() < self.loss else 0.0
                late_s = self.delay_s + self.jitter_s * self._random.random() + again_s
                await pieces.put((self._loop.time() + late_s, piece))
        await pieces.put((0.0, b""))
        await sending

    async def _send(self, pieces: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due_s, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                while self.is_silent:
                    await asyncio.sleep(0.01)
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()
