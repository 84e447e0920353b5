"""`Link`: one connection to a policy server, kept up by a thread of its own; whoever asks never waits for a socket.

One observation is under way at a time. What the server does not answer within `stall_s` is lost, and the connection
with it; it is made again, later and later (backoff.py). Deadlines of ticks are not its business: see policy.py.
"""

import collections
import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from ....perception.errors import MissingExtraError, SenseweaveError, how_to_install
from ..backoff import Backoff, RetryTimer
from ..clock import NS_PER_S
from ..timing import Spans
from .facts import Hello
from .messages import HELLO_BYTES, SUBPROTOCOL, Answer, RemoteError, read_answer, unpack
from .token import authorization

BACKOFF = Backoff(start_up_s=5.0, stall_s=2.0, first_delay_s=0.1, max_delay_s=2.0)
"""How long a server may take to say what it is and to answer, and when it is called again."""

SCHEMES = ("ws://", "wss://")

JOIN_S = 1.0
"""How long `close` waits for the thread."""

IDLE_S = 0.5
"""How often the thread looks whether it should end while nobody asks."""

MAX_TOLD = 3
"""So many reasons why there is still no connection are told."""

Happening = tuple[str, str]
"""A kind of event, and what a person should know."""


class Link:
    """A connection to one server. `connect` makes it the first time; from then on it makes itself again.

    Args:
        url: ws://HOST:PORT, or wss:// where a proxy in front of the server encrypts.
        token: the server's, or "".
        backoff: its deadlines and delays.

    Attributes:
        hello: what the server said first; None before `connect`. A server that says something else later is not asked.
        round_trips: how long answers took, from `ask` until they were here.
        answers: how many came.
        connections: how many were made.

    Raises:
        RemoteError: the address is none.
    """

    def __init__(self, url: str, *, token: str = "", backoff: Backoff = BACKOFF) -> None:
        if not url.startswith(SCHEMES) or len(url) <= len("wss://"):
            raise RemoteError(f"A server's address is written as ws://HOST:PORT; got {url!r:.80}.")
        self.url, self.hello, self.round_trips = url, None, Spans()
        self.answers = self.connections = 0
        self._token, self._backoff = token, backoff
        self._happened: collections.deque[Happening] = collections.deque(maxlen=100)
        self._outgoing: queue.SimpleQueue[tuple[int, bytes, int]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._answer: Answer | None = None
        self._is_up = self._is_asked = False
        self._told: set[str] = set()
        self._ending = threading.Event()
        self._socket: Any = None
        self._thread: threading.Thread | None = None
        self._call: Callable[..., Any] = _import_connect()

    def connect(self) -> Hello:
        """Connects, once, and learns what is there. The connection is kept up from here on.

        Raises:
            RemoteError: no server answers, or none that this release understands.
        """
        connection, hello = self._connect()
        self.hello = hello
        self._thread = threading.Thread(target=self._keep_up, args=[connection], name="policy-link", daemon=True)
        self._thread.start()
        return hello

    def ask(self, number: int, packed: bytes) -> str:
        """Sends the observation of a number; returns at once.

        Returns:
            "" if it is on its way, else why it is not.
        """
        with self._changed:
            if not self._is_up:
                return f"There is no connection to {self.url}."
            if self._is_asked:
                return "The answer to an earlier observation is still awaited."
            self._is_asked, self._answer = True, None
        self._outgoing.put((number, packed, time.monotonic_ns()))
        return ""

    def wait(self, number: int, seconds: float) -> Answer | None:
        """The answer to the observation of that number, if it comes in time and the connection holds."""
        end_s = time.monotonic() + seconds
        with self._changed:
            while self._is_asked and (left_s := end_s - time.monotonic()) > 0:
                self._changed.wait(left_s)
            answer = self._answer
        return answer if answer is not None and answer.number == number else None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._is_up

    def take_events(self) -> list[Happening]:
        """What happened to the connection since the last call."""
        taken = []
        while self._happened:
            taken.append(self._happened.popleft())
        return taken

    def close(self) -> None:
        """Ends the connection. May be called twice."""
        self._ending.set()
        _shut(self._socket)
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _keep_up(self, connection: Any) -> None:
        timer = RetryTimer(self._backoff)
        while True:
            timer.begin(time.monotonic_ns())
            try:
                if connection is None:
                    connection = self._connect_again()
                self._talk(connection, timer)
            except Exception as error:  # sockets, TLS and WebSockets each have their own; all mean the same here
                self._lose(_in_words(error))
            _shut(connection)
            connection = None
            if self._ending.wait(timer.end() / NS_PER_S):
                return

    def _talk(self, connection: Any, timer: RetryTimer) -> None:
        """Passes observations and answers on until the connection breaks, which raises."""
        if self.hello is None:
            return
        with self._changed:
            self._is_up, self._is_asked, self._answer = True, False, None
        while not self._outgoing.empty():  # nobody waits for these any more
            self._outgoing.get()
        self._happened.append(("connected", f"{self.url} acts; it remembers nothing from before."))
        self._told.clear()
        while not self._ending.is_set():
            try:
                number, packed, asked_ns = self._outgoing.get(timeout=IDLE_S)
            except queue.Empty:
                continue
            connection.send(packed)
            data = connection.recv(timeout=self._backoff.stall_s)
            answer = read_answer(unpack(data, HELLO_BYTES), self.hello.senses, self.hello.action_space)
            if answer.number != number:
                raise RemoteError(f"It answers observation {answer.number} where {number} was asked.")
            now_ns = time.monotonic_ns()
            self.round_trips.add(now_ns - asked_ns)
            self.answers += 1
            timer.feed(now_ns)
            with self._changed:
                self._answer, self._is_asked = answer, False
                self._changed.notify_all()

    def _connect_again(self) -> Any:
        connection, hello = self._connect()
        if hello != self.hello:
            _shut(connection)
            raise RemoteError(f"Another policy is at {self.url} now; end this session and begin another one.")
        return connection

    def _connect(self) -> tuple[Any, Hello]:
        """A connection, and what the server says of itself.

        Raises:
            RemoteError: there is no such server.
        """
        headers = {"Authorization": authorization(self._token)} if self._token else None
        connection = None
        try:
            calling = self._call(
                self.url,
                additional_headers=headers,
                subprotocols=[SUBPROTOCOL],
                compression=None,
                proxy=None,
                open_timeout=self._backoff.start_up_s,
                close_timeout=self._backoff.grace_s,
                ping_interval=None,
                max_size=HELLO_BYTES,
            )
            connection = calling.__enter__()  # as websockets wants it; it ends by `_shut`, which waits for nobody
            self._socket = connection.socket
            _limit_sending(connection.socket, self._backoff.stall_s)
            hello = Hello.read(unpack(connection.recv(timeout=self._backoff.start_up_s), HELLO_BYTES))
        except SenseweaveError:
            _shut(connection)
            raise
        except Exception as error:  # as above
            _shut(connection)
            raise RemoteError(f"There is no policy server at {self.url}: {_in_words(error)}") from error
        self.connections += 1
        return connection, hello

    def _lose(self, problem: str) -> None:
        """Notes that there is no connection; while there is none, each new reason is told once, and not many."""
        with self._changed:
            was_up, self._is_up, self._is_asked, self._answer = self._is_up, False, False, None
            self._changed.notify_all()
        if self._ending.is_set():
            return
        if was_up:
            self._happened.append(("lost", f"{problem} {self.url} is called again and again."))
        elif problem not in self._told and len(self._told) < MAX_TOLD:
            self._happened.append(("warning", problem))
            self._told.add(problem)


def _import_connect() -> Callable[..., Any]:
    try:
        from websockets.sync.client import connect
    except ImportError as error:
        raise MissingExtraError(f"A policy server needs websockets; {how_to_install('serve')}.") from error
    return connect


def _in_words(error: Exception) -> str:
    """A sentence for what a socket, TLS or a WebSocket raised."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return "It wants a token, and not the one that it got, if any; give --token FILE."
    if status is not None:
        return f"It refuses with HTTP status {status}."
    if isinstance(error, TimeoutError):
        return "It does not answer in time."
    if isinstance(error, SenseweaveError):
        return str(error)
    text = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)[:120].rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _limit_sending(link: socket.socket, seconds: float) -> None:
    """Has the system give the connection up when what was sent is not received for so long, where it can."""
    with contextlib.suppress(OSError, AttributeError):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def _shut(connection: Any) -> None:
    """Ends a connection, or its socket, at once, without the politeness that would wait for the other side."""
    link = getattr(connection, "socket", connection)
    if link is not None:
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
