"""A body's senses in a rig: what the body says is absent is absent here, and no text is older than its episode."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from senseweave import envs
from senseweave.envs import adapt
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.rig import LiveRig
from senseweave.perception.spec import PRESENT, Instruction


class Remembers(gym.Wrapper):
    """Keeps the newest observation."""

    def reset(self, **options: Any) -> Any:
        self.seen, info = self.env.reset(**options)
        return self.seen, info

    def step(self, action: Any) -> Any:
        self.seen, *rest = self.env.step(action)
        return self.seen, *rest


def rig_with(body: BodyActuator) -> LiveRig:
    return LiveRig(
        body.senses, body.sensors(), action_names=body.action_names, actuator=body, clock=VirtualClock(), start_up_s=0
    )


def test_an_instruction_that_the_body_lacks_is_absent_and_none_outlives_its_episode() -> None:
    outages = {"outages": {"instruction": 0.5}, "outage_steps": "episode"}
    body = BodyActuator(Remembers(envs.make("senseweave/Seek-v0", size="small", **outages)))
    rig = rig_with(body)
    place, lacked = body.senses.names.index("instruction"), 0
    rig.reset(seed=0)
    draws = np.random.default_rng(0)
    for _ in range(200):
        observation, *_ = rig.step(int(draws.integers(3)))
        assert observation[PRESENT][place] == body.env.seen[PRESENT][place]
        assert (observation["instruction"] == body.env.seen["instruction"]).all()
        lacked += observation[PRESENT][place] == 0
    assert body.episodes > 5 and 20 < lacked < 180
    rig.close()


class TwoTexts(gym.Env):
    """A text that stays, and one that counts."""

    observation_space = spaces.Dict({"instruction": spaces.Text(20), "hint": spaces.Text(20)})
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return self.observe(), 0.0, False, False, {}

    def observe(self) -> dict[str, str]:
        return {"instruction": "go home", "hint": f"room {self.count}"}


def test_each_of_two_texts_is_told_when_it_changes() -> None:
    body = BodyActuator(Remembers(adapt(TwoTexts())))
    assert all(isinstance(kind, Instruction) for kind in body.senses.values()) and len(body.senses) == 2
    rig = rig_with(body)
    rig.reset(seed=0)
    for count in range(1, 4):
        observation, *_, info = rig.step(0)
        assert all((observation[name] == body.env.seen[name]).all() for name in body.senses)
        told = [event.detail for event in info["events"] if event.kind == "instruction"]
        assert told == [f"room {count}"]
    rig.close()
