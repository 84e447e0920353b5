"""`LiveRig`: sensors in, actions out, as a Gymnasium environment that keeps its rate and does not die.

The loop is the caller's: `step(action)` sends the action, waits for the next deadline and returns what the senses give
then. Deadlines are absolute; a caller who comes after one skips it. Whatever a sensor does, `step` returns: a sense
that is silent, frozen or gone is absent in the observation, and comes back by itself. A caller who does not come at all
(a policy that hangs) does not leave the body alone: see `watchdog_s` of `LiveRig`.
"""

import collections
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium

from ...perception.checks import require_whole
from ...perception.errors import ConfigError
from ...perception.spec import Spec
from .align import Aligner, Moment, Observation
from .bodies.actuators import Actuator, Command
from .bodies.safety import Safety, check_action_space
from .clock import Clock, SystemClock, to_ns
from .event_limiter import EventLimiter
from .reading import Event
from .sensor import Sensor, stop_together
from .timing import Timing
from .watchdog import Watchdog

_POLL_S = 0.01
"""How often the first reset looks whether all senses are there."""

_INSTRUCTION_WAIT_S = 0.3
"""How long the first reset waits for an instruction: one that is given is here at once, one that people type is not."""

_WATCHDOG_TICKS, _WATCHDOG_S = 5, 0.5
"""A step may be so many periods late, and at least so long, before the safe action is sent without it."""


class LiveRig(gymnasium.Env[Any, Any]):
    """Live sensors and a body as an environment. The reward is 0; an episode ends by `max_steps` alone.

    `info` holds at every reset and step: `time_ns`, `tick` (number of the observation since the reset), `ages_s`,
    `events` (a list of `Event`), `instruction_text` ("" if there is none), `overruns` (ticks skipped since the
    rig was made), `due_ns` (the deadline of this tick) and, after a step, `sent` (the `Command`, or None),
    `safe_reason` ("" while the policy's own actions are sent) and `actuator` (what the body reports).

    Args:
        senses: what the policy was trained with.
        sensors: sense -> its sensor; a sense without one is always absent.
        action_names: the names of the actions 0, 1, 2...; of a rig with another action space, none.
        step_s: how long a step was in training, which gives the rate.
        actuator: where actions go; None drops them.
        clock: real time by default.
        max_age_s: sense -> seconds after which its newest reading is too old, instead of its sensor's own.
        required: senses without which the policy must not act: while one is absent, the safe action is sent.
        safe_action: an action of the action space, or one's name. It is also sent while the agent is told to stop,
            instead of actions that are not finite, when no step comes for `watchdog_s`, and when the rig is closed.
            None sends nothing then.
        rate_hz: ticks per second instead of 1 / step_s; an event warns, since the policy was trained with that.
        action_space: instead of a whole number for each of `action_names`.
        start_up_s: how long the first reset waits, at most, for all sensors to be there; for an instruction, which
            nobody may have given yet, no longer than 0.3 s.
        max_steps: after so many steps an episode is truncated; None never ends one.
        watched: sensors that are no sense, an ear for speech, say, and are started and stopped elsewhere: their events
            are events here like the others'.

    Attributes:
        senses: the Spec of the observation.
        action_names: the names of the actions.
        step_s: how long a step was in training.
        period_s: how long a step is here.
        watchdog_s: five periods, or 0.5 s if that is longer. Once the first step was made, when no other one begins or
            ends for so long, the safe action is sent, once, from another thread; the next step goes on as usual.
        on_silence: called, from that thread, with a sentence that says so; None calls nobody.
        sensors: sense -> sensor.
        timing: how punctual the loop is.
        moment: the latest `Moment`: the observation with its readings, ages and events; None before the first reset.

    Raises:
        ConfigError: an option is out of its range or contradicts another one.
        SpecError: a sensor does not fit the senses.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(
        self,
        senses: Spec,
        sensors: Mapping[str, Sensor],
        *,
        action_names: tuple[str, ...] = (),
        step_s: float = 0.1,
        actuator: Actuator | None = None,
        clock: Clock | None = None,
        max_age_s: Mapping[str, float] | None = None,
        required: tuple[str, ...] = (),
        safe_action: Any = None,
        rate_hz: float | None = None,
        action_space: gymnasium.Space[Any] | None = None,
        start_up_s: float = 5.0,
        max_steps: int | None = None,
        watched: Iterable[Sensor] = (),
    ) -> None:
        for name, seconds, least in (("step_s", step_s, 1e-4), ("start_up_s", start_up_s, 0.0)):
            if not least <= seconds < math.inf:
                raise ConfigError(f"`{name}` must be finite and at least {least:g} seconds; got {seconds!r}.")
        if rate_hz is not None and not 0.01 <= rate_hz <= 10_000:
            raise ConfigError(f"`rate_hz` must be in 0.01..10000 ticks per second; got {rate_hz!r}.")
        if max_steps is not None:
            require_whole("max_steps", max_steps, 1)
        self.senses = senses
        self.sensors = dict(sensors)
        self._watched = tuple(watched)
        self.action_names = tuple(action_names)
        self.observation_space = senses.space()
        self.action_space = check_action_space(action_space, self.action_names)
        self.step_s = float(step_s)
        self.period_s = self.step_s if rate_hz is None else 1.0 / rate_hz
        self.timing = Timing()
        self.moment: Moment | None = None
        self._aligner = Aligner(senses, sensors, max_age_s)
        self._actuator = actuator or Actuator()
        self._clock = clock or SystemClock()
        self._safety = Safety(senses, self.action_space, self.action_names, required, safe_action)
        self._start_up_s = start_up_s
        self._max_steps = max_steps
        self._period_ns = to_ns(self.period_s)
        self._due_ns = 0
        self._tick = 0
        self._safe_reason = EventLimiter("")
        self._has_reported_unsent = False
        self._is_clipping = False
        self._state = "new"
        self._notes: collections.deque[Event] = collections.deque()
        self._sending = threading.Lock()
        self._has_stepped = False
        self.watchdog_s = max(_WATCHDOG_TICKS * self.period_s, _WATCHDOG_S)
        self.on_silence: Callable[[str], object] | None = None
        self._watchdog = Watchdog(self._clock, self.watchdog_s, self._send_safe_after_silence)

    @property
    def max_age_s(self) -> dict[str, float]:
        """Sense -> seconds after which its newest reading is too old; only senses that have a sensor."""
        return dict(self._aligner.max_age_s)

    @property
    def patience_s(self) -> float:
        """`watchdog_s`, under its name of release 0.1."""
        return self.watchdog_s

    @property
    def when_silent(self) -> Callable[[str], object] | None:
        """`on_silence`, under its name of release 0.1; one who sets it still has to be called."""
        return self.on_silence

    @when_silent.setter
    def when_silent(self, function: Callable[[str], object] | None) -> None:
        self.on_silence = function

    @property
    def clock(self) -> Clock:
        """The clock that everything here goes by."""
        return self._clock

    @property
    def next_due_ns(self) -> int:
        """When the next tick is due: an action for the latest observation should be there before."""
        return self._due_ns + self._period_ns

    def note(self, kind: str, detail: str) -> None:
        """Makes an event of the loop, which is told with the next observation; any thread may.

        Raises:
            ConfigError: there is no such kind.
        """
        self._notes.append(Event(self._clock.now_ns(), "", kind, detail))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; the sensors go on as they are. The first reset starts them and waits for all of them.

        Args:
            seed: for the body, if it is a simulator; the world outside has none.
            options: none are known.

        Raises:
            ConfigError: an option is given, the rig was closed, or the actuator cannot work.
        """
        super().reset(seed=seed)
        if options:
            raise ConfigError(f"A live rig takes no reset options; got {', '.join(map(str, options))}.")
        if self._state == "closed":
            raise ConfigError("The rig was closed, and its sensors with it; make another one.")
        if self._state == "new":
            self._actuator.open(self._clock)
            self._state = "open"
            for sensor in self.sensors.values():
                sensor.start(self._clock)
        with self._sending:
            self._actuator.reset(seed)
        if self.moment is None:
            self._wait_for_sensors()
            if abs(self.period_s / self.step_s - 1) > 0.01:
                self.note("warning", f"The policy was trained at {1 / self.step_s:g} Hz; this is another rate.")
        self._tick = 0
        self._due_ns = self._clock.now_ns()
        self._observe(self._due_ns)
        if self._has_stepped:
            self._watchdog.feed()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Sends an action, waits for the next deadline, and looks and listens.

        Args:
            action: one of the action space.

        Returns:
            The observation, reward 0, never terminated, truncated after `max_steps`, and `info`; see the class.

        Raises:
            ConfigError: there was no reset, or the action is not one of the action space. An array of another dtype is
                cast, one beyond the limits is put on them, with an event of the kind "warning"; one that is not finite
                is no error either: the safe action is sent instead.
        """
        self._require_running()
        now_ns = self._clock.now_ns()
        reason = self._reason_for_safety(action, now_ns)
        if not reason:
            action, change = self._safety.fitted(action)
            if change and not self._is_clipping:
                self.note("warning", change)
            self._is_clipping = bool(change)
        self._has_stepped = True
        self._watchdog.feed()
        with self._sending:
            self._report_safe(reason, now_ns)
            sent = self._send(action, reason, now_ns)
        return self._next_tick(sent, reason, is_fed=True)

    def skip(self, reason: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """A step for which no action came in time: nothing is sent, and the tick counts as missed.

        The watchdog goes on waiting: when ticks are missed for `watchdog_s`, it sends the safe action as if nobody had
        come at all. What asks for the safe action by itself (a required sense that is absent, "stop") has it sent here.

        Args:
            reason: why, as a sentence.

        Returns:
            As `step`.

        Raises:
            ConfigError: there was no reset.
        """
        self._require_running()
        now_ns = self._clock.now_ns()
        if rule := self._reason_for_safety(None, now_ns):
            with self._sending:
                self._report_safe(rule, now_ns)
                sent = self._send(None, rule, now_ns)
        else:
            sent = None
        if rule or not self._has_stepped:
            self._has_stepped = True
            self._watchdog.feed()
        self.timing.overruns += 1
        return self._next_tick(sent, rule or reason, is_fed=False)

    def _require_running(self) -> None:
        if self._state != "open" or self.moment is None:
            raise ConfigError("The rig is not running; call reset() before the first step.")

    def _reason_for_safety(self, action: Any, now_ns: int) -> str:
        return self._safety.reason(action, lambda name: self._aligner.is_here(name, now_ns))

    def _next_tick(
        self, sent: Command | None, reason: str, *, is_fed: bool
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Waits for the next deadline, and looks and listens; `is_fed`: the watchdog sees that somebody came."""
        before = self.moment
        self._due_ns += self._period_ns
        sent_ns = self._clock.now_ns()
        if sent_ns > self._due_ns:
            skipped = -((self._due_ns - sent_ns) // self._period_ns)
            self._due_ns += skipped * self._period_ns
            self.timing.overruns += skipped
            self.note("overrun", f"{skipped} skipped.")
        work_ns = 0 if before is None else sent_ns - before.time_ns
        self._clock.sleep_until_ns(self._due_ns)
        woke_ns = self._clock.now_ns()
        self.timing.add(self._due_ns, woke_ns, work_ns)
        self._tick += 1
        self._observe(woke_ns)
        if is_fed:
            self._watchdog.feed()
        info = {"sent": sent, "safe_reason": reason, "actuator": self._actuator.report()}
        is_over = self._max_steps is not None and self._tick >= self._max_steps
        return self._observation(), 0.0, False, is_over, self._info() | info

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise ConfigError(
            "A live rig holds devices and threads, so it can be neither pickled nor copied; make another one, with "
            "gymnasium.make, say, where it is needed."
        )

    def close(self) -> None:
        """Sends the safe action, if there is one, and gives all devices back. May be called twice."""
        if self._state == "open":
            self._watchdog.stop()
            if self.moment is not None and self._safety.action is not None:
                with self._sending:
                    self._send(self._safety.action, "The rig is closed.", self._clock.now_ns())
            stop_together(self.sensors.values())
            self._actuator.close()
        self._state = "closed"

    def _wait_for_sensors(self) -> None:
        begin_ns = self._clock.now_ns()
        give_up_ns = begin_ns + to_ns(self._start_up_s)
        instruction_deadline_ns = min(give_up_ns, begin_ns + to_ns(_INSTRUCTION_WAIT_S))
        while (now_ns := self._clock.now_ns()) < give_up_ns:
            missing = [name for name in self.sensors if not self._aligner.is_here(name, now_ns)]
            if now_ns >= instruction_deadline_ns:
                missing = [name for name in missing if not self.senses[name].is_text]
            if not missing:
                return
            self._clock.sleep_until_ns(min(give_up_ns, now_ns + to_ns(_POLL_S)))

    def _observe(self, now_ns: int) -> None:
        self.moment = self._aligner.align(now_ns)
        for sensor in self._watched:
            self.moment.events.extend(sensor.take_events())
        while self._notes:
            self.moment.events.append(self._notes.popleft())
        self.moment.events.sort(key=lambda event: event.time_ns)
        self._safety.look_for_stop(self.moment)

    def _observation(self) -> Observation:
        return {} if self.moment is None else dict(self.moment.observation)

    def _info(self) -> dict[str, Any]:
        moment = self.moment
        if moment is None:
            return {}
        return {
            "time_ns": moment.time_ns,
            "due_ns": self._due_ns,
            "tick": self._tick,
            "ages_s": dict(moment.ages_s),
            "events": list(moment.events),
            "instruction_text": moment.instruction,
            "overruns": self.timing.overruns,
        }

    def _report_safe(self, reason: str, now_ns: int) -> None:
        """Makes an event of it when the safe action begins and ends to be sent."""
        change = self._safe_reason.update(reason, now_ns)
        if change == "change":
            self.note("safe" if reason else "resumed", reason)
        elif change == "unsteady":
            self.note("unsteady", f"The safe action comes and goes; now: {reason or 'it is not sent.'}")

    def _send_safe_after_silence(self, silent_s: float) -> None:
        """Sends the safe action in the name of a caller who does not come; called from the watchdog's thread."""
        reason = f"There was no step for {silent_s:.1f} s."
        if self._sending.acquire(timeout=self.watchdog_s):
            try:
                if not self._watchdog.is_expired:  # a step came first after all
                    return
                now_ns = self._clock.now_ns()
                self._report_safe(reason, now_ns)
                self._send(self._safety.action, reason, now_ns)
            finally:
                self._sending.release()
        else:
            reason += " The body has not come back from the action before, so that no safe one can be sent."
            self.note("unsent", reason)
        if self.on_silence is not None:
            self.on_silence(reason)

    def _send(self, action: Any, reason: str, now_ns: int) -> Command | None:
        """Sends an action, or the safe one where there is a reason; None if nothing was sent."""
        chosen = self._safety.action if reason else action
        if chosen is None:
            return None
        is_named = isinstance(self.action_space, gymnasium.spaces.Discrete) and len(self.action_names) > 0
        name = self.action_names[int(chosen)] if is_named else ""
        command = Command(chosen, name, now_ns, self._tick, bool(reason))
        try:
            self._actuator.send(command)
        except Exception as error:  # a body that is gone must not stop the loop: it may come back
            if not self._has_reported_unsent:
                self.note("unsent", f"{type(error).__name__}: {error}")
            self._has_reported_unsent = True
            return None
        self._has_reported_unsent = False
        return command
