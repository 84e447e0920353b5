"""`Server`: WebSockets in front of a policy. It bounds what anybody can make it hold, and believes nothing it reads.

A client is answered one observation at a time; what it sends meanwhile waits in its own socket, so that a flood slows
down the one who makes it. Policies and batches are in batches.py, messages in envs/live/remote/messages.py.
"""

import asyncio
import contextlib
import dataclasses
import http
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ...envs.live.remote.facts import Hello
from ...envs.live.remote.messages import (
    SUBPROTOCOL,
    RemoteError,
    observation_bytes,
    pack,
    pack_answer,
    read_observation,
    unpack,
)
from ...envs.live.remote.token import is_authorized
from ...perception.errors import EnvironmentFault, MissingExtraError, how_to_install
from .batches import Batches, Remembered

OPENING_S = 5.0
"""How long a client may take for its handshake."""

SENDING_S = 5.0
"""How long a client may take to receive an answer."""

QUEUE = 2
"""So many messages of a client are read before it is answered; more wait in the network."""

SPARE_CONNECTIONS = 16
"""So many connections more than clients may be in the middle of a handshake, or about to be refused."""

MAX_LINES, LINES_S = 20, 10.0
"""So many lines about clients are told within so many seconds."""

POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013
"""WebSocket's codes for the end of a connection."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one server bears.

    Attributes:
        clients: so many at a time.
        idle_s: seconds without an observation after which a client is sent away.
    """

    clients: int = 16
    idle_s: float = 60.0


@dataclasses.dataclass(eq=False)
class _Client:
    name: str
    remembered: Remembered = dataclasses.field(default_factory=Remembered)
    last: int = -1
    answers: int = 0
    oldest_s: float = 0.0


class Server:
    """Serves one policy.

    Args:
        hello: what clients are told of it.
        batches: what answers.
        token: what clients must have; "" asks for none.
        limits: see `Limits`.
        tell: is told of clients, a sentence each.

    Attributes:
        clients: how many were served.
        refused: how many were refused, or sent away because of what they sent.
    """

    def __init__(
        self,
        hello: Hello,
        batches: Batches,
        *,
        token: str = "",
        limits: Limits | None = None,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self._hello, self._batches, self._token = hello.packed(), batches, token
        self._senses, self._limits, self._tell = hello.senses, limits or Limits(), tell
        self._max_bytes = observation_bytes(hello.senses)
        self.clients = self.refused = 0
        self._here: set[_Client] = set()
        self._open = 0
        self._told_s: deque[float] = deque(maxlen=MAX_LINES)

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Listens as long as the block runs; gives the port, which is a free one where 0 was asked for.

        Raises:
            OSError: it cannot listen there.
            MissingExtraError: websockets is not installed.
        """
        try:
            from websockets.asyncio.server import ServerConnection, serve
            from websockets.typing import Subprotocol
        except ImportError as error:
            raise MissingExtraError(f"A policy server needs websockets; {how_to_install('serve')}.") from error
        server, most = self, self._limits.clients + SPARE_CONNECTIONS

        class Counted(ServerConnection):
            """A connection that is ended at once where there are too many."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                server._open += 1
                super().connection_made(transport)
                if server._open > most:
                    self.transport.abort()

            def connection_lost(self, exc: Exception | None) -> None:
                server._open -= 1
                super().connection_lost(exc)

        silent = logging.getLogger(f"{__name__}.websockets")
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        async with serve(
            self._talk,
            host,
            port,
            create_connection=Counted,
            process_request=self._look_at,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            origins=[None],  # no page in a browser may use it
            compression=None,
            max_size=self._max_bytes,
            max_queue=QUEUE,
            open_timeout=OPENING_S,
            close_timeout=1.0,
            logger=silent,
        ) as listener:
            yield next(iter(listener.sockets)).getsockname()[1]

    def _look_at(self, connection: Any, request: Any) -> Any:
        """Refuses a request that lacks the token, or that is one too many."""
        if self._token and not is_authorized(request.headers.get("Authorization"), self._token):
            self.refused += 1
            self._say(f"{_address(connection)} was refused: it has no token, or another one.")
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.\n")
        if len(self._here) >= self._limits.clients:
            self.refused += 1
            self._say(f"{_address(connection)} was refused: {len(self._here)} clients are here already.")
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "There are too many clients.\n")
        return None

    async def _talk(self, connection: Any) -> None:
        """One client, from its handshake to its end."""
        from websockets.exceptions import ConnectionClosed

        with self._counted(connection) as client:
            try:
                if client is None:
                    await connection.close(TRY_AGAIN_LATER, "There are too many clients.")
                    return
                async with asyncio.timeout(SENDING_S):
                    await connection.send(self._hello)
                while True:
                    await self._answer_one(connection, client)
            except ConnectionClosed:
                return
            except (RemoteError, EnvironmentFault, TimeoutError) as error:
                reason = str(error) or f"It sent nothing, or took nothing, for {self._limits.idle_s:g} s."
                self.refused += isinstance(error, RemoteError)
                self._say(f"{_address(connection)} was sent away: {reason}")
                with contextlib.suppress(ConnectionClosed, TimeoutError):
                    async with asyncio.timeout(SENDING_S):
                        await connection.send(pack({"error": reason}))
                        await connection.close(POLICY_VIOLATION)
                connection.transport.abort()

    async def _answer_one(self, connection: Any, client: _Client) -> None:
        async with asyncio.timeout(self._limits.idle_s):
            data = await connection.recv()
        asked = read_observation(unpack(data, self._max_bytes), self._senses)
        if asked.number <= client.last:
            raise RemoteError(f'"n" of a message must grow; got {asked.number} after {client.last}.')
        client.last = asked.number
        answer = await self._batches.ask(asked, client.remembered)
        async with asyncio.timeout(SENDING_S):
            await connection.send(pack_answer(answer))
        client.answers += 1
        client.oldest_s = max([client.oldest_s, *(age_s for age_s in asked.ages_s.values() if age_s is not None)])

    @contextlib.contextmanager
    def _counted(self, connection: Any) -> Iterator[_Client | None]:
        """A client's place here; None where there is none."""
        if len(self._here) >= self._limits.clients:
            self.refused += 1
            yield None
            return
        client = _Client(_address(connection))
        self._here.add(client)
        self.clients += 1
        self._say(f"{client.name} is here.")
        try:
            yield client
        finally:
            self._here.discard(client)
            self._say(
                f"{client.name} left after {client.answers:,} answers; its oldest reading {client.oldest_s:.2f} s."
            )

    def _say(self, sentence: str) -> None:
        now_s = time.monotonic()
        if len(self._told_s) < MAX_LINES or now_s - self._told_s[0] >= LINES_S:
            self._told_s.append(now_s)
            self._tell(sentence)


def _address(connection: Any) -> str:
    address = connection.remote_address
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else "somebody"
