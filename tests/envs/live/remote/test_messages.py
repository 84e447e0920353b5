"""What travels between a rig and a server is read strictly: plain values of the Spec's dtypes and shapes, or not."""

import datetime
import math
import random

import gymnasium
import msgpack
import numpy as np
import pytest

from senseweave.envs.live.remote.messages import (
    HELLO_BYTES,
    MAX_DEPTH,
    Answer,
    RemoteError,
    observation_bytes,
    pack,
    pack_answer,
    pack_observation,
    read_answer,
    read_observation,
    unpack,
)
from senseweave.perception.spec import PRESENT, Camera, Grid, Instruction, Microphone, Spec, Vector

SENSES = Spec(
    audio=Microphone(2, 160, 16000),
    camera=Camera(16, 16),
    grid=Grid(3, 3, (4, 5)),
    instruction=Instruction(4, 10),
    touch=Vector(3),
)
AT_MOST = observation_bytes(SENSES)


def observed(seed=0):
    random_numbers = np.random.default_rng(seed)
    return {
        "audio": random_numbers.uniform(-1, 1, (2, 160)).astype(np.float32),
        "camera": random_numbers.integers(0, 256, (16, 16, 3), np.uint8),
        "grid": random_numbers.integers(0, 4, (3, 3, 2), np.uint8),
        "instruction": np.array([3, 9, 1, 0], np.int32),
        "touch": random_numbers.standard_normal(3).astype(np.float32),
        PRESENT: np.ones(5, np.int8),
    }


def sent(observation=None, **options):
    ages_s = dict.fromkeys(SENSES, 0.25)
    options = {"senses": SENSES, "own": SENSES, "is_first": True} | options
    return pack_observation(7, observation or observed(), ages_s, **options)


def test_an_observation_comes_as_it_went_bit_for_bit():
    observation = observed()
    asked = read_observation(unpack(sent(observation), AT_MOST), SENSES)
    assert (asked.number, asked.is_first) == (7, True) and set(asked.ages_s.values()) == {0.25}
    for name, content in observation.items():
        assert asked.observation[name].dtype == content.dtype
        np.testing.assert_array_equal(asked.observation[name], content)


def test_the_largest_observation_fits_its_bound_and_the_bound_is_near():
    assert len(sent()) <= AT_MOST <= len(sent()) + 256 * len(SENSES) + 1024


def test_what_is_absent_is_not_sent_and_arrives_as_absent():
    observation = observed() | {PRESENT: np.array([1, 0, 1, 1, 1], np.int8)}
    packed = sent(observation)
    assert len(packed) < len(sent()) - 700, "the frame stayed at home"
    asked = read_observation(unpack(packed, AT_MOST), SENSES)
    assert asked.observation[PRESENT].tolist() == [1, 0, 1, 1, 1] and not asked.observation["camera"].any()


def test_a_rig_with_other_senses_sends_those_that_the_policy_has():
    own = Spec(camera=Camera(16, 16), zeal=Vector(2))
    observation = {"camera": observed()["camera"], "zeal": np.ones(2, np.float32), PRESENT: np.ones(2, np.int8)}
    packed = pack_observation(0, observation, {"camera": 0.1}, senses=SENSES, own=own, is_first=False)
    asked = read_observation(unpack(packed, AT_MOST), SENSES)
    assert asked.observation[PRESENT].tolist() == [0, 1, 0, 0, 0]
    assert asked.ages_s == {"audio": None, "camera": 0.1, "grid": None, "instruction": None, "touch": None}


def changed(**parts):
    return unpack(sent(), AT_MOST) | parts


def with_sense(name, packed):
    message = unpack(sent(), AT_MOST)
    message["senses"][name] = packed
    return message


WRONG = [
    (changed(n="7"), '"n" of a message must be int'),
    (changed(n=True), '"n" of a message must be int'),
    (changed(n=-1), "at least 0"),
    (changed(n=2**60), '"n" of a message must be int'),
    (changed(start=1), '"start" of a message must be bool'),
    (changed(senses=[]), '"senses" of a message must be dict'),
    (changed(more=1), "'more' of a message is not known"),
    ({"n": 1, "start": False, "senses": {}}, "'ages_s' of a message is missing"),
    (changed(ages_s={}), "must have the age of every sense"),
    (changed(ages_s=dict.fromkeys(SENSES, -0.1)), "must be in seconds, at least 0"),
    (changed(ages_s=dict.fromkeys(SENSES, math.nan)), "must be in seconds"),
    (changed(ages_s=dict.fromkeys(SENSES, None)), '"audio" of a message must be float; got None'),
    (with_sense("smell", ["<f4", [3], bytes(12)]), "'smell' is no sense of this policy"),
    (with_sense("touch", ["<f8", [3], bytes(24)]), "must be <f4 of shape [3]"),
    (with_sense("touch", [">f4", [3], bytes(12)]), "must be <f4 of shape [3]"),
    (with_sense("touch", ["|O", [3], bytes(12)]), "must be <f4 of shape [3]"),
    (with_sense("touch", ["<f4", [1, 3], bytes(12)]), "must be <f4 of shape [3]"),
    (with_sense("touch", ["<f4", [3], bytes(8)]), "must have 12 bytes; got 8"),
    (with_sense("touch", ["<f4", [3], "0" * 12]), "must be [dtype, shape, bytes]"),
    (with_sense("touch", {}), "must be [dtype, shape, bytes]"),
    (with_sense("touch", ["<f4", [3], np.array([0, np.nan, 0], "<f4").tobytes()]), "is not finite"),
    (with_sense("instruction", ["<i4", [4], np.array([10, 0, 0, 0], "<i4").tobytes()]), "outside the limits"),
    (with_sense("grid", ["|u1", [3, 3, 2], bytes([9] * 18)]), "outside the limits"),
]


@pytest.mark.parametrize(("message", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_message_that_is_no_observation_of_these_senses_is_refused_in_a_sentence(message, sentence):
    with pytest.raises(RemoteError) as caught:
        read_observation(unpack(pack(message), AT_MOST), SENSES)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


NO_MESSAGES = [
    b"",
    b"\xc1",
    pack({"n": 1}) + b"\0",
    pack({"n": 1})[:-1],
    msgpack.packb([1, 2]),
    msgpack.packb({1: 2}),
    b"\x82\xa1n\x01\xa1n\x02",  # the same key twice
    msgpack.packb({"n": msgpack.ExtType(5, b"x")}),
    msgpack.packb({"n": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}, datetime=True),
    msgpack.packb({"n": list(range(300))}),
    b"\x81\xa1n\xdd\xff\xff\xff\xff",  # a list of 4 billion
    b"\x81\xa1n\xc6\xff\xff\xff\xff",  # 4 GB of bytes
    b"\x81\xa1n" + b"\x91" * 900 + b"\xc0",
    b"\x81\xa1n" + b"\x91" * 100_000 + b"\xc0",
    b"\x81\xa1n\xa2\xff\xfe",  # no UTF-8
    b"x" * (HELLO_BYTES + 1),
    "a text",
    None,
]


@pytest.mark.parametrize("data", NO_MESSAGES, ids=lambda data: repr(data)[:30])
def test_what_is_no_plain_map_is_refused(data):
    with pytest.raises(RemoteError):
        unpack(data, HELLO_BYTES)


def test_levels_are_counted():
    value: dict = {}
    for _ in range(MAX_DEPTH - 1):
        value = {"a": value}
    assert unpack(pack(value), HELLO_BYTES) == value
    with pytest.raises(RemoteError, match="at most 6 levels"):
        unpack(pack({"a": value}), HELLO_BYTES)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_damaged_is_read_or_refused_and_never_anything_else(seed):
    chance, good = random.Random(seed), sent()
    refused = 0
    for _ in range(200):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            where = chance.randrange(min(len(data) or 1, chance.choice([16, 60, 10_000])))
            match chance.randrange(4):
                case 0:
                    data[where : where + 1] = [chance.randrange(256)]
                case 1:
                    del data[where : where + chance.randint(1, 30)]
                case 2:
                    data[where:where] = chance.randbytes(chance.randint(1, 30))
                case _:
                    data = data[: where + 1]
        try:
            asked = read_observation(unpack(bytes(data), AT_MOST), SENSES)
        except RemoteError:
            refused += 1
        else:
            assert all(asked.observation[name].shape == kind.shape for name, kind in SENSES.items())
    assert refused > 100


def test_answers_come_as_they_went():
    one = gymnasium.spaces.Discrete(3)
    answer = read_answer(unpack(pack_answer(Answer(5, np.int64(2), {"touch": 0.5})), HELLO_BYTES), SENSES, one)
    assert (answer.number, answer.action, answer.gates) == (5, 2, {"touch": 0.5})
    box = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    arm = np.array([0.5, -0.25], np.float32)
    answer = read_answer(unpack(pack_answer(Answer(6, arm, {})), HELLO_BYTES), SENSES, box)
    np.testing.assert_array_equal(answer.action, arm)


@pytest.mark.parametrize(
    "message",
    [
        {"n": 1, "action": 3, "gates": {}},
        {"n": 1, "action": -1, "gates": {}},
        {"n": 1, "action": 1.0, "gates": {}},
        {"n": 1, "action": 1, "gates": {"touch": 1.5}},
        {"n": 1, "action": 1, "gates": {"touch": math.nan}},
        {"n": 1, "action": 1, "gates": {"smell": 0.5}},
        {"n": 1, "action": 1},
        {"error": "No."},
        {"error": 3},
    ],
)
def test_an_answer_that_is_none_is_refused(message):
    with pytest.raises(RemoteError):
        read_answer(unpack(pack(message), HELLO_BYTES), SENSES, gymnasium.spaces.Discrete(3))
