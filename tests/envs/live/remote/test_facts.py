"""What a server says of its policy arrives whole, and is refused where it does not fit the rig."""

import dataclasses

import gymnasium
import numpy as np
import pytest

from senseweave.envs.live.remote.facts import Hello
from senseweave.envs.live.remote.messages import HELLO_BYTES, RemoteError, pack, unpack
from senseweave.perception.errors import ConfigError, TokenizerMismatchError
from senseweave.perception.spec import Camera, Instruction, Microphone, Spec
from senseweave.perception.tokenizer import default_tokenizer

NAMES = ("left", "right")
HELLO = Hello(
    run="3f",
    senses=Spec(audio=Microphone(2, 1600, 16000), camera=Camera(16, 16), instruction=Instruction(48, 1024)),
    tokenizer=default_tokenizer().identity,
    action_names=NAMES,
    action_space=gymnasium.spaces.Discrete(2),
    step_s=0.1,
    max_age_s={"audio": 0.3, "camera": 0.3, "instruction": 0.3},
    memory=((1, 1, 64),),
)


def test_it_arrives_whole():
    assert Hello.read(unpack(HELLO.packed(), HELLO_BYTES)) == HELLO
    box = gymnasium.spaces.Box(np.array([-1, -2], np.float32), np.array([1, np.inf], np.float32))
    arm = dataclasses.replace(HELLO, action_names=(), action_space=box)
    assert Hello.read(unpack(arm.packed(), HELLO_BYTES)) == arm


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("protocol", 2),
        ("run", 3),
        ("senses", {"camera": {"kind": "Smell"}}),
        ("senses", {"camera": {"kind": "Camera", "height": -1, "width": 3}}),
        ("senses", {"camera": {"kind": "Camera", "height": 10**6, "width": 10**6}}),
        ("senses", {"no name": {"kind": "Vector", "size": 3}}),
        ("senses", {}),
        ("action_names", ["left"]),
        ("action_names", [1, 2]),
        ("actions", {"n": 0}),
        ("actions", {"n": 10**12}),
        ("actions", {"dtype": "|O", "shape": [2], "low": ["|O", [2], b""], "high": ["|O", [2], b""]}),
        ("actions", {}),
        ("step_s", 0.0),
        ("step_s", "fast"),
        ("max_age_s", {"smell": 1.0}),
        ("max_age_s", {"camera": -1.0}),
        ("tokenizer", 7),
        ("more", 1),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(part, value):
    with pytest.raises(RemoteError) as caught:
        Hello.read(unpack(pack(unpack(HELLO.packed(), HELLO_BYTES) | {part: value}), HELLO_BYTES))
    assert "\n" not in str(caught.value)


def require(hello=HELLO, senses=HELLO.senses, names=NAMES, space=HELLO.action_space):
    return hello.require_fit(senses, names, space, "ws://there")


def test_a_rig_that_fits_is_taken_and_what_it_lacks_is_told():
    assert require() == []
    assert require(senses=Spec(camera=Camera(16, 16), more=Camera(16, 16))) == ["audio", "instruction"]


def test_a_rig_that_does_not_fit_is_refused_in_one_sentence():
    for wrong, sentence in [
        ({"senses": Spec(camera=Camera(16, 32))}, r'"camera" is Camera.*width=32.* here, but the policy at ws://there'),
        ({"senses": Spec(eye=Camera(16, 16))}, "None of the senses of the policy"),
        ({"names": ("left", "up")}, "The actions here are left, up, but those of the policy at ws://there are left, r"),
        ({"names": (), "space": gymnasium.spaces.Box(-1, 1, (2,))}, "The actions here are Box"),
    ]:
        with pytest.raises(ConfigError, match=sentence):
            require(**wrong)
    arm = dataclasses.replace(HELLO, action_names=(), action_space=gymnasium.spaces.Box(-1, 1, (3,)))
    with pytest.raises(ConfigError, match="The actions here are Box"):
        require(arm, names=(), space=gymnasium.spaces.Box(-1, 1, (2,)))
    with pytest.raises(TokenizerMismatchError, match="another|trained with tokenizer other"):
        require(dataclasses.replace(HELLO, tokenizer="other"))
    assert require(dataclasses.replace(HELLO, tokenizer="other"), senses=Spec(camera=Camera(16, 16)))
