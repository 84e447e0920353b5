"""One tick: the newest reading of every sensor becomes one observation, with an age and a bit of `present` for each.

Readings are held until there is a newer one (zero-order hold), but no longer than `max_age_s`: then the sense is
absent, its placeholder stands in the observation and its stale content reaches nobody. That a sense was lost or came
back is an event, once each, and so is a new instruction; a sense that comes and goes all the time is "unsteady" until
it has settled. Nothing waits here and nothing that a sensor does can raise.
"""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from ...perception.errors import ConfigError, SpecError, did_you_mean
from ...perception.spec import PRESENT, Spec
from ..contract import Observation
from .clock import NS_PER_S
from .event_limiter import EventLimiter
from .reading import Event, Reading, misfit
from .sensor import Sensor


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """What is known at one tick.

    Attributes:
        time_ns: the tick's time in the rig's clock.
        observation: as the Spec says, with `present`; it shares no memory with anything.
        ages_s: sense -> seconds since its newest reading was captured; infinite before the first.
        readings: sense -> the reading that stands in the observation; None where the sense is absent.
        events: what happened since the last tick, in the order of time.
        instruction: the text that holds now; "" if there is none or it is absent.
    """

    time_ns: int
    observation: Observation
    ages_s: dict[str, float]
    readings: dict[str, Reading | None]
    events: list[Event]
    instruction: str

    @property
    def absent(self) -> tuple[str, ...]:
        """The senses that are not here now, in alphabetical order."""
        return tuple(name for name, reading in self.readings.items() if reading is None)


class Aligner:
    """Makes observations of what sensors give.

    Args:
        senses: what an observation holds.
        sensors: sense -> its sensor; a sense without one is always absent, without an event.
        max_age_s: sense -> seconds, instead of its sensor's own.

    Raises:
        SpecError: a sensor is for no sense of the Spec, or is of another kind.
        ConfigError: an age is not positive, or is given for a sense that has no sensor.
    """

    def __init__(
        self, senses: Spec, sensors: Mapping[str, Sensor], max_age_s: Mapping[str, float] | None = None
    ) -> None:
        for name, sensor in sensors.items():
            if name not in senses:
                raise SpecError(f'There is no sense "{name}" for a sensor to serve; {did_you_mean(name, senses)}')
            if sensor.kind != senses[name]:
                raise SpecError(
                    f'The sensor of "{name}" must be of the kind {senses[name]!r}; got {sensor.kind!r}. '
                    "Make the sensor with the Spec's kind."
                )
        self.senses = senses
        self.sensors = dict(sensors)
        self.max_age_s = {name: sensor.max_age_s for name, sensor in sensors.items()}
        for name, age_s in (max_age_s or {}).items():
            if name not in sensors:
                raise ConfigError(f'`max_age_s` names "{name}", which has no sensor; {did_you_mean(name, sensors)}')
            if not age_s > 0:
                raise ConfigError(f'`max_age_s` of "{name}" must be above 0 seconds; got {age_s!r}.')
            self.max_age_s[name] = float(age_s)
        self._placeholder = senses.placeholder()
        self._presence = {name: EventLimiter(True) for name in sensors}
        self._broken: set[str] = set()
        self._texts: dict[str, str] = {}
        self._began_ns: float = math.inf

    def align(self, now_ns: int) -> Moment:
        """The observation of this tick.

        Args:
            now_ns: the present time.
        """
        self._began_ns = min(self._began_ns, now_ns)
        observation = {name: content.copy() for name, content in self._placeholder.items()}
        ages_s = dict.fromkeys(self.senses, math.inf)
        readings: dict[str, Reading | None] = dict.fromkeys(self.senses)
        events: list[Event] = []
        instruction = ""
        for i, (name, kind) in enumerate(self.senses.items()):
            if name not in self.sensors:
                continue
            reading, ages_s[name] = self._newest(name, now_ns, events)
            events += self.sensors[name].take_events()
            is_here = reading is not None and ages_s[name] <= self.max_age_s[name]
            if reading is not None and is_here:
                np.copyto(observation[name], reading.content)
                observation[PRESENT][i] = 1
                readings[name] = reading
                if kind.is_text:
                    instruction = instruction or reading.text
                    if reading.text != self._texts.get(name, ""):
                        events.append(Event(reading.captured_ns, name, "instruction", reading.text))
                    self._texts[name] = reading.text
            change = self._presence[name].update(is_here, now_ns)
            if change == "change":
                events.append(
                    Event(now_ns, name, "back" if is_here else "absent", self._detail(name, ages_s[name], now_ns))
                )
            elif change == "unsteady":
                limit_s = self.max_age_s[name]
                apart = f"; are its readings about {limit_s:g} s apart, its `max_age_s`?"
                detail = f"It comes and goes{'.' if limit_s == math.inf else apart}"
                events.append(Event(now_ns, name, "unsteady", detail))
        events.sort(key=lambda event: event.time_ns)
        return Moment(now_ns, observation, ages_s, readings, events, instruction)

    def is_here(self, name: str, now_ns: int) -> bool:
        """Whether a sense is present at this moment; changes nothing and makes no event."""
        if name not in self.sensors:
            return False
        reading, age_s = self._newest(name, now_ns, None)
        return reading is not None and age_s <= self.max_age_s[name]

    def _newest(self, name: str, now_ns: int, events: list[Event] | None) -> tuple[Reading | None, float]:
        """The newest reading that fits, and its age in seconds."""
        fault = None
        reading = None
        try:
            reading = self.sensors[name].newest(now_ns)
            # Once more after the inbox: a sensor of anybody's making need not have one.
            if reading is not None and (fault := misfit(self.senses[name], reading.content)):
                fault = f"A reading {fault}."
        except Exception as error:  # a sensor of anybody's making must not stop the loop
            fault = f"{type(error).__name__}: {error}"
        if events is not None:
            if fault and name not in self._broken:
                events.append(Event(now_ns, name, "failed", fault))
            (self._broken.add if fault else self._broken.discard)(name)
        if reading is None or fault:
            return None, math.inf
        return reading, max(0, now_ns - reading.captured_ns) / NS_PER_S

    def _detail(self, name: str, age_s: float, now_ns: int) -> str:
        if age_s == math.inf:
            return "There is no reading."
        if now_ns - age_s * NS_PER_S < self._began_ns:
            return f"There was a reading {age_s:.3f} s ago, before the loop began, and none since."
        return f"Its newest reading is {age_s:.3f} s old."
