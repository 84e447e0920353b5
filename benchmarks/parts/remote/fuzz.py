"""What strangers may send to a policy server: damaged, truncated, huge and endless messages, by kind."""

import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable, Mapping

from senseweave.envs.live.remote.link import Link
from senseweave.envs.live.remote.messages import SUBPROTOCOL, pack, pack_observation

from .clients import Served, observations

Send = Callable[[socket.socket, random.Random, bytes], None]


def connected(port: int) -> socket.socket:
    """A socket after its handshake, on which anything may be written."""
    link = socket.create_connection(("127.0.0.1", port), timeout=5.0)
    link.sendall(
        (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        ).encode()
    )
    link.recv(65536)
    return link


def frame(payload: bytes, *, opcode: int = 2, is_last: bool = True) -> bytes:
    """A WebSocket frame as a client sends it; its mask is zero."""
    size, head = len(payload), bytes([(0x80 if is_last else 0) | opcode])
    if size < 126:
        return head + bytes([0x80 | size]) + bytes(4) + payload
    if size < 2**16:
        return head + bytes([0x80 | 126]) + struct.pack(">H", size) + bytes(4) + payload
    return head + bytes([0x80 | 127]) + struct.pack(">Q", size) + bytes(4) + payload


def _noise(link: socket.socket, chance: random.Random, good: bytes) -> None:
    link.sendall(chance.randbytes(chance.randint(1, 4000)))


def _truncated(link: socket.socket, chance: random.Random, good: bytes) -> None:
    link.sendall(frame(good[: chance.randrange(len(good))]))


def _damaged(link: socket.socket, chance: random.Random, good: bytes) -> None:
    damaged = bytearray(good)
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(min(len(damaged), chance.choice([40, 200, 10**9])))] = chance.randrange(256)
    link.sendall(frame(bytes(damaged)))


def _of_other_types(link: socket.socket, chance: random.Random, good: bytes) -> None:
    values = [None, True, -1, 2**63, 1e308, float("nan"), "x" * 500, b"\0" * 500, [], [[]], {}, {"a": {"b": {}}}]
    keys = ["n", "start", "senses", "ages_s", "audio", "camera", "instruction", "present", "__class__"]
    message = {key: chance.choice(values) for key in chance.sample(keys, chance.randint(1, 6))}
    inner = {key: chance.choice([*values, ["<f4", [3], b"123"]]) for key in chance.sample(keys, 3)}
    link.sendall(frame(pack({"n": 1, "start": False, "senses": inner, "ages_s": inner} | message)))


def _huge(link: socket.socket, chance: random.Random, good: bytes) -> None:
    claims = b"\x82\xff" + struct.pack(">Q", 2 ** chance.randint(18, 62)) + bytes(4)
    link.sendall(claims + bytes(chance.randint(0, 200_000)))


def _bomb(link: socket.socket, chance: random.Random, good: bytes) -> None:
    heads = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 20_000]
    link.sendall(frame(b"\x81\xa1n" + chance.choice(heads)))


def _endless(link: socket.socket, chance: random.Random, good: bytes) -> None:
    for number in range(300):  # one message in many frames that never ends
        link.sendall(frame(bytes(400), opcode=0 if number else 2, is_last=False))


def _cut(link: socket.socket, chance: random.Random, good: bytes) -> None:
    link.sendall(frame(good)[: chance.randrange(1, len(good))])


KINDS: Mapping[str, Send] = {
    "noise": _noise,
    "truncated": _truncated,
    "damaged": _damaged,
    "other types": _of_other_types,
    "huge": _huge,
    "bombs of msgpack": _bomb,
    "endless": _endless,
    "cut in the middle": _cut,
}


def fuzz(server: Served, kind: str, cases: int, seed: int = 0) -> dict[str, float]:
    """Sends so many messages of a kind, each on a connection of its own, and looks how the server is."""
    chance, send = random.Random(f"{kind} {seed}"), KINDS[kind]
    good, before_mb, most_mb = _good(server), server.memory_mb(), 0.0
    for case in range(cases):
        with contextlib.suppress(OSError), connected(server.port) as link:
            send(link, chance, good)
        if case % 20 == 0:
            most_mb = max(most_mb, server.memory_mb())
    return {
        "cases": cases,
        "crashes": float(server.process.poll() is not None),
        "answered after": float(_is_answered(server)),
        "more MB": max(0.0, max(most_mb, server.memory_mb()) - before_mb),
    }


def flood(server: Served, seconds: float) -> dict[str, float]:
    """Sends observations as fast as they go, and takes no answer meanwhile."""
    before_mb, most_mb = server.memory_mb(), 0.0
    link = Link(server.url)
    senses = link.connect().senses
    link.close()
    seen, ages_s = observations(senses, 1)[0], dict.fromkeys(senses, 0.0)
    sent, until_s = 0, time.monotonic() + seconds
    with contextlib.suppress(OSError), connected(server.port) as raw:
        raw.settimeout(1.0)
        while time.monotonic() < until_s:
            raw.sendall(frame(pack_observation(sent, seen, ages_s, senses=senses, own=senses, is_first=False)))
            sent += 1
            if sent % 50 == 0:
                most_mb = max(most_mb, server.memory_mb())
    return {
        "cases": sent,
        "crashes": float(server.process.poll() is not None),
        "answered after": float(_is_answered(server)),
        "more MB": max(0.0, most_mb - before_mb),
    }


def _good(server: Served) -> bytes:
    link = Link(server.url)
    senses = link.connect().senses
    link.close()
    seen = observations(senses, 1)[0]
    return pack_observation(0, seen, dict.fromkeys(senses, 0.1), senses=senses, own=senses, is_first=True)


def _is_answered(server: Served) -> bool:
    """Whether somebody else is answered now."""
    for _ in range(20):
        with contextlib.suppress(Exception):
            link = Link(server.url)
            link.connect()
            try:
                return not link.ask(0, _good(server)) and link.wait(0, 10.0) is not None
            finally:
                link.close()
        time.sleep(0.5)
    return False
