"""Actions as callers have them: numpy's float64, a list, a digit beyond the limit; no loop ends because of it."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from senseweave.envs.live.bodies.actuators import CallbackActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.rig import LiveRig
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Spec, Vector

ARM = Box(-1.0, 1.0, (6,), np.float32)


class Driven:
    """A rig without sensors, and what its body was told."""

    def __init__(self, space):
        self.sent = []
        body = CallbackActuator(lambda command: self.sent.append(command.action))
        self.rig = LiveRig(Spec(joints=Vector(6)), {}, action_space=space, actuator=body, clock=VirtualClock())
        self.rig.reset()

    def told(self, action):
        return [event.detail for event in self.rig.step(action)[-1]["events"] if event.kind == "warning"]


@pytest.mark.parametrize(
    ("space", "action", "sent"),
    [
        (ARM, np.zeros(6), np.zeros(6, np.float32)),
        (ARM, [0.5] * 6, np.full(6, 0.5, np.float32)),
        (ARM, np.full(6, 1.0000001), np.ones(6, np.float32)),
        (ARM, np.ones(6, np.int64), np.ones(6, np.float32)),
        (Box(-3, 3, (2,), np.int32), np.array([1.0, -3.0]), np.array([1, -3], np.int32)),
        (Discrete(4), np.float64(2.0), 2),
        (Discrete(4, start=5), np.array(8), 8),
        (MultiDiscrete([3, 4]), np.array([2.0, 3.0]), np.array([2, 3])),
        (MultiBinary(3), np.array([0.0, 1.0, 1.0]), np.array([0, 1, 1])),
    ],
)
def test_an_action_of_another_dtype_is_cast_without_a_word(space, action, sent):
    driven = Driven(space)
    assert driven.told(action) == []
    assert np.array_equal(driven.sent[-1], sent) and space.contains(driven.sent[-1])


def test_an_action_beyond_the_limits_is_put_on_them_and_told_once_until_it_is_right_again():
    driven = Driven(ARM)
    told = [driven.told(np.full(6, level)) for level in (1.5, 2.0, 0.0, -9.0)]
    assert [len(sentences) for sentences in told] == [1, 0, 0, 1]
    assert "outside Box" in told[0][0] and "by 0.5" in told[0][0]
    assert [float(action[0]) for action in driven.sent] == [1.0, 1.0, 0.0, -1.0]


@pytest.mark.parametrize(
    ("space", "action", "got"),
    [
        (ARM, np.zeros(5), r"float64 of shape \(5,\)"),
        (ARM, np.zeros((6, 1), np.float32), r"float32 of shape \(6, 1\)"),
        (ARM, "left", "got str"),
        (ARM, None, "got NoneType"),
        (ARM, [[1], [2, 3]], "got list"),
        (ARM, np.zeros(6, complex), "complex128"),
        (Discrete(4), 4, "got 4"),
        (Discrete(4), 1.5, "got 1.5"),
        (MultiDiscrete([3, 4]), np.array([3, 0]), "array"),
    ],
)
def test_what_is_no_action_at_all_is_one_sentence_with_its_dtype(space, action, got):
    with pytest.raises(ConfigError, match=f"The action must be one of .*{got}"):
        Driven(space).rig.step(action)


def test_an_action_that_is_not_finite_is_still_the_safe_one():
    driven = Driven(ARM)
    driven.rig.step(np.full(6, np.nan))
    assert driven.sent == []
