"""A Gymnasium environment as the body of a rig: actions step it, and its senses can be sensors beside real ones.

`BodyActuator(gymnasium.make("senseweave/GoToLocal-v0"))` lets a policy walk through a simulated room at real speed,
while its instruction comes from a real microphone, say. The environment is stepped when an action is sent, and starts
its next episode by itself; the rig's own episode goes on.
"""

from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np

from ....perception.errors import ConfigError, SpecError, did_you_mean
from ....perception.spec import PRESENT, Kind, Spec
from ...contract import text_in
from ...registry import make
from ..clock import Clock
from ..reading import Reading
from ..sensor import Sensor
from .actuators import Body, Command


class BodySensor(Sensor):
    """A sense of the body; `BodyActuator.sensors` makes it. What the body does not sense ages, as with a device.

    An instruction is handed over when it changes, so that it is not an event at every step. It never ages, so it is
    forgotten where the body says that it is absent.
    """

    def __init__(self, name: str, kind: Kind, max_age_s: float | None = None) -> None:
        super().__init__(name, kind, max_age_s)
        self._newest: Reading | None = None

    def start(self, clock: Clock) -> None:
        pass

    def newest(self, now_ns: int) -> Reading | None:
        return self._newest

    def sense(self, content: Any, now_ns: int, number: int, text: str) -> None:
        """Takes the body's newest content."""
        newest = self._newest
        if not self.kind.is_text:
            text = ""
        elif newest is not None and text == newest.text and np.array_equal(newest.content, content):
            return
        self._newest = Reading(np.array(content), now_ns, number, text)

    def lose(self) -> None:
        """Notes that the body does not sense it now."""
        if self.kind.is_text:
            self._newest = None


class BodyActuator(Body):
    """Steps a Gymnasium environment with every action that is sent.

    Args:
        env: an environment that emits the contract: it tells its `senses`, as ours do and as `adapt` makes others do.

    Attributes:
        senses: what the body senses.
        action_names: the names of its actions.
        episodes: how many episodes of the body have ended.
        successes: how many of them with `info["is_success"]`.

    Raises:
        SpecError: the environment does not tell its senses.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        if not env.has_wrapper_attr("senses") or not isinstance(env.get_wrapper_attr("senses"), Spec):
            raise SpecError(f"{env} does not tell its senses; wrap it with senseweave.envs.adapt first.")
        self.env = env
        self.senses: Spec = env.get_wrapper_attr("senses")
        self.action_names: tuple[str, ...] = tuple(env.get_wrapper_attr("action_names") or ())
        self.episodes = 0
        self.successes = 0
        self._sensors: dict[str, BodySensor] = {}
        self._clock: Clock | None = None
        self._steps = 0
        self._report: dict[str, Any] = {}

    @classmethod
    def at(cls, address: str, **options: Any) -> "BodyActuator":
        """The environment of that id, made with those options."""
        return cls(make(address, **options))

    def sensors(self, names: Iterable[str] | None = None, max_age_s: float | None = None) -> dict[str, Sensor]:
        chosen = self.senses.names if names is None else tuple(names)
        for name in chosen:
            if name not in self.senses:
                raise ConfigError(f'The body has no sense "{name}"; {did_you_mean(name, self.senses)}')
            self._sensors.setdefault(name, BodySensor(name, self.senses[name], max_age_s))
        return {name: self._sensors[name] for name in chosen}

    def open(self, clock: Clock) -> None:
        self._clock = clock

    def reset(self, seed: int | None) -> None:
        observation, info = self.env.reset(seed=seed)
        self._report = {}
        self._sense(observation, info)

    def send(self, command: Command) -> None:
        observation, reward, terminated, truncated, info = self.env.step(command.action)
        self._report = {"reward": float(reward), "terminated": bool(terminated), "truncated": bool(truncated)}
        if "is_success" in info:
            self._report["is_success"] = bool(info["is_success"])
        if terminated or truncated:
            self.episodes += 1
            self.successes += bool(info.get("is_success", False))
            observation, info = self.env.reset()
        self._sense(observation, info)

    def report(self) -> dict[str, Any]:
        """Reward, terminated, truncated and is_success of the step, and how many episodes and successes there were."""
        return self._report | {"episodes": self.episodes, "successes": self.successes}

    def close(self) -> None:
        self.env.close()

    def _sense(self, observation: dict[str, Any], info: dict[str, Any]) -> None:
        self._steps += 1
        if self._clock is None:
            return
        now_ns = self._clock.now_ns()
        present = observation.get(PRESENT, np.ones(len(self.senses), np.int8))
        for name, is_here in zip(self.senses, present, strict=True):
            sensor = self._sensors.get(name)
            if sensor is not None and is_here:
                text = text_in(info, name) or text_in(info) or ""
                sensor.sense(observation[name], now_ns, self._steps, text)
            elif sensor is not None:
                sensor.lose()
