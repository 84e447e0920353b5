"""A real server, spoken to as a stranger would: tokens, caps, floods, and whatever else comes down a socket."""

import contextlib
import os
import random
import re
import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from kit.limits import HANG_S
from kit.live.runs import seeker
from kit.live.serving import rememberer, served, server
from senseweave.envs.live.remote.facts import Hello
from senseweave.envs.live.remote.link import Link
from senseweave.envs.live.remote.messages import (
    HELLO_BYTES,
    SUBPROTOCOL,
    RemoteError,
    observation_bytes,
    pack,
    pack_observation,
    read_answer,
    unpack,
)
from senseweave.envs.live.remote.token import authorization
from senseweave.perception.spec import PRESENT

__all__ = ["rememberer", "seeker", "server"]


def call(url, **options):
    """A connection that has heard the hello, and the hello."""
    options = {"subprotocols": [SUBPROTOCOL], "compression": None, "proxy": None, "max_size": HELLO_BYTES} | options
    connection = connect(url, **options).__enter__()
    return connection, Hello.read(unpack(connection.recv(timeout=HANG_S), HELLO_BYTES))


def observed(hello, number, seed=0, *, is_first=False):
    chance = np.random.default_rng(seed)
    observation = hello.senses.placeholder() | {PRESENT: hello.senses.present()}
    observation["camera"] = chance.integers(0, 256, observation["camera"].shape, np.uint8)
    ages_s = dict.fromkeys(hello.senses, 0.01)
    return pack_observation(number, observation, ages_s, senses=hello.senses, own=hello.senses, is_first=is_first)


def asked(connection, hello, packed):
    connection.send(packed)
    answer = unpack(connection.recv(timeout=HANG_S), HELLO_BYTES)
    return read_answer(answer, hello.senses, hello.action_space)


def memory_of(server):
    """Bytes that its process holds."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def sockets_of(server):
    """How many sockets it has open."""
    found = 0
    for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += os.readlink(file).startswith("socket:")
    return found


def lives_on(server):
    """Whether a new client is answered, as soon as those who left have freed their places."""
    until_s = time.monotonic() + HANG_S
    while time.monotonic() < until_s:
        try:
            connection, hello = call(server.url)
        except (InvalidStatus, OSError):
            time.sleep(0.05)
            continue
        with connection:
            return asked(connection, hello, observed(hello, 0)).number == 0
    return False


def sent_away(connection):
    """The sentence with which a server ends a connection, after answers to what was right."""
    said = ""
    with pytest.raises(ConnectionClosed):
        while True:
            message = unpack(connection.recv(timeout=HANG_S), HELLO_BYTES)
            said = message.get("error", said)
    return said


def test_it_says_what_its_policy_is(server, rememberer):
    connection, hello = call(server.url)
    with connection:
        assert hello.senses.names == ("audio", "camera", "instruction") and hello.memory == ((1, 1, 128),)
        assert hello.action_names[:3] == ("left", "right", "forward") and hello.step_s == 0.1
        assert hello.max_age_s["camera"] == pytest.approx(0.3) and hello.is_greedy
        assert hello.tokenizer.startswith("senseweave-1:")


def test_two_clients_have_memories_of_their_own(server):
    (first, hello), (second, _) = call(server.url), call(server.url)
    with first, second:
        own = [asked(first, hello, observed(hello, n, seed=n, is_first=n == 0)).gates for n in range(6)]
        for n in range(6):  # the other one lives another life between
            asked(second, hello, observed(hello, n, seed=100 + n))
            again = asked(first, hello, observed(hello, 10 + n, seed=n, is_first=n == 0)).gates
            assert again == pytest.approx(own[n], abs=1e-6)


WRONG = [
    (b"", "must be one msgpack map"),
    (b"\xc1", "must be one msgpack map"),
    ("a text", "must be binary"),
    (pack({"n": 1}), "is missing"),
    (pack({"n": 1, "start": False, "senses": {"smell": 1}, "ages_s": {}}), "is no sense"),
]


@pytest.mark.parametrize(("data", "sentence"), WRONG)
def test_a_message_that_is_none_ends_its_connection_with_a_sentence(server, data, sentence):
    connection, _ = call(server.url)
    with connection:
        connection.send(data)
        assert sentence in sent_away(connection)
    assert lives_on(server)


def test_numbers_must_grow(server):
    connection, hello = call(server.url)
    with connection:
        asked(connection, hello, observed(hello, 5))
        connection.send(observed(hello, 5))
        assert '"n" of a message must grow; got 5 after 5' in sent_away(connection)


def test_a_message_larger_than_the_largest_observation_is_refused_before_it_is_read(server):
    connection, hello = call(server.url)
    with connection:
        connection.send(bytes(observation_bytes(hello.senses) + 1))
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=HANG_S)
    assert caught.value.rcvd.code == 1009
    assert lives_on(server)


def test_no_other_protocol_and_no_page_of_a_browser_is_served(server):
    for options in ({"subprotocols": ["senseweave.99"]}, {"subprotocols": None}, {"origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus) as caught:
            call(server.url, **options)
        assert 400 <= caught.value.response.status_code < 500
    assert lives_on(server)


def test_one_client_too_many_is_refused_and_a_place_that_is_free_again_is_given(server):
    here = [call(server.url)[0] for _ in range(8)]
    try:
        with pytest.raises(InvalidStatus) as caught:
            call(server.url)
        assert caught.value.response.status_code == 503
        with pytest.raises(RemoteError, match="refuses with HTTP status 503"):
            Link(server.url).connect()
    finally:
        for connection in here:
            connection.close()
    assert lives_on(server)


def test_connections_that_never_speak_are_bounded_and_nobody_waits_for_them(server):
    before = sockets_of(server)
    mute = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    time.sleep(0.5)
    assert sockets_of(server) <= before + 8 + 16 + 1
    for one in mute:
        one.close()
    time.sleep(0.5)
    assert lives_on(server)


def frame(payload, *, opcode=2, fin=True):
    """A WebSocket frame as a client sends it."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    head += (
        bytes([0x80 | size])
        if size < 126
        else bytes([0x80 | 126]) + struct.pack(">H", size)
        if size < 2**16
        else bytes([0x80 | 127]) + struct.pack(">Q", size)
    )
    return head + bytes(4) + payload  # a mask of zeros changes nothing


def raw(server):
    """A socket after its handshake, on which anything may be written."""
    link = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    link.sendall(
        (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        ).encode()
    )
    link.recv(65536)
    return link


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_down_a_socket_it_lives_and_its_memory_is_bounded(server, seed):
    chance = random.Random(seed)
    connection, hello = call(server.url)
    connection.close()
    good, before = observed(hello, 0), memory_of(server)
    for _ in range(100):
        with raw(server) as link:
            try:
                match chance.randrange(6):
                    case 0:
                        link.sendall(chance.randbytes(chance.randint(1, 3000)))
                    case 1:
                        link.sendall(frame(good[: chance.randrange(len(good))]))
                    case 2:
                        damaged = bytearray(good)
                        for _ in range(8):
                            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                        link.sendall(frame(bytes(damaged)))
                    case 3:  # a frame that claims to be huge
                        link.sendall(b"\x82\xff" + struct.pack(">Q", 2 ** chance.randint(20, 62)) + bytes(100))
                    case 4:  # one message in many frames
                        for _ in range(200):
                            link.sendall(frame(bytes(500), opcode=0 if _ else 2, fin=False))
                    case _:  # cut in the middle
                        link.sendall(frame(good)[: chance.randrange(len(good))])
            except OSError:  # it has gone already, as it may
                pass
    assert server.process.poll() is None and lives_on(server)
    assert memory_of(server) - before < 64 * 2**20


def test_a_flood_slows_the_one_who_makes_it_and_costs_no_memory_and_others_are_served(server):
    connection, hello = call(server.url)
    before, size = memory_of(server), len(observed(hello, 0))
    with raw(server) as link:
        link.settimeout(0.5)
        until_s, flood = time.monotonic() + 3.0, 0
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < until_s:  # nobody takes the answers meanwhile
                link.sendall(frame(observed(hello, flood)))
                flood += 1
        assert asked(connection, hello, observed(hello, 1)).number == 1, "another client is served meanwhile"
        assert memory_of(server) - before < 64 * 2**20
        answers = 0
        with contextlib.suppress(OSError):
            while data := link.recv(2):
                link.recv(data[1])
                answers += 1
    assert answers > 10 and (flood - answers) * size < 12 * 2**20, "what was not answered waits in the network"
    connection.close()


def test_a_client_that_is_silent_for_too_long_is_sent_away(seeker):
    with served(seeker, "--idle", 0.5) as one:
        connection, hello = call(one.url)
        with connection:
            asked(connection, hello, observed(hello, 0))
            began_s = time.monotonic()
            assert "for 0.5 s" in sent_away(connection)
            assert time.monotonic() - began_s < 5
        result = one.end()
    assert (result["clients"], result["answers"], result["passes"], result["largest_batch"]) == (1, 1, 1, 1)
    assert re.search(r"127\.0\.0\.1:\d+ left after 1 answers; its oldest reading 0\.01 s\.", one.text())


def test_without_the_token_nobody_is_served_and_the_token_is_told_to_nobody(seeker, tmp_path):
    token, secret = tmp_path / "token", "abcdefgh-12345678"
    token.write_text(secret)
    token.chmod(0o644)
    with served(seeker, "--token", token) as one:
        assert f"run: chmod 600 {token}" in one.text()
        for headers in (None, {"Authorization": authorization("abcdefgh-12345679")}):
            with pytest.raises(InvalidStatus) as caught:
                call(one.url, additional_headers=headers)
            assert caught.value.response.status_code == 401
        with pytest.raises(RemoteError, match="It wants a token, and not the one that it got"):
            Link(one.url).connect()
        link = Link(one.url, token=secret)
        assert link.connect().run
        link.close()
        assert "was refused: it has no token, or another one." in one.text() and secret not in one.text()
        assert one.end()["refused"] == 3
