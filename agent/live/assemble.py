"""From the options of `senseweave live` to sensors, a body and a rig; and the mistakes that can be made on the way.

A sensor that is named must work once at the beginning: what is missing then is most likely a slip, and is one sentence
at once. What fails later, and an address in the network at any time, is waited for while the loop goes on.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import gymnasium

from ...envs.live.bodies.actuators import Actuator, Body
from ...envs.live.bodies.open import open_actuator, open_body
from ...envs.live.clock import Clock, SystemClock
from ...envs.live.reading import without_limit
from ...envs.live.rig import LiveRig
from ...envs.live.sensor import Sensor, ThreadedSensor
from ...envs.live.sensors.instructions.phrases import common_phrases, phrases_of
from ...envs.live.sensors.open import SPEECH, default_senses, open_sensors
from ...perception.errors import ConfigError, did_you_mean
from ...perception.spec import Camera, Instruction, Kind, Microphone, Spec
from ..runs.strangers import needs_naming
from ..settings.live import LiveConfig

if TYPE_CHECKING:
    from ...envs.live.sessions.replay import Replay
    from .remote import Acting

DEFAULT_STEP_S = 0.1
"""The length of a tick where no policy says otherwise."""

START_UP_S = 5.0
"""How long the sensors may take for their first readings before the loop begins without them."""

BODY_TICKS = 1.5
"""How many ticks the senses of a body hold, at least."""

EAR = "(speech)"
"""The name of a microphone that hears instructions and is no sense of the policy."""

OPTION_OF: dict[type[Kind], str] = {Camera: "camera", Microphone: "microphone", Instruction: "instruction"}
"""The kind of sense that each option is for."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """A rig that is ready to be reset, and what it was made of.

    Attributes:
        rig: see `LiveRig`.
        sensors: those that were named by the user, an ear for speech among them; not the body's.
        lenient: which of them need not work at the beginning.
        actuator: where the actions go.
    """

    rig: LiveRig
    sensors: dict[str, Sensor]
    lenient: frozenset[str]
    actuator: Actuator


def assemble(config: LiveConfig, run: "Acting | None") -> Parts:
    """Makes the rig; no device is opened yet.

    Raises:
        SenseweaveError: a sensor or an option does not fit the policy, or cannot be at all.
    """
    body = None if config.body is None else _make_body(config, run)
    senses = _senses(config, run)
    sensors = _open(config, senses, run)
    of_body: dict[str, Sensor] = {}
    if body is not None:
        others = [name for name in senses if name not in sensors and body.senses.get(name) == senses[name]]
        of_body = body.sensors(others)
    everything = of_body | {name: sensor for name, sensor in sensors.items() if name in senses}
    _require_sensors(senses, everything, run)
    for option, names in (("max-age", config.max_age_s), ("required", config.required)):
        for name in names:
            if name not in everything:
                raise ConfigError(f'`{option}` names "{name}", which has no sensor; {did_you_mean(name, everything)}')
    actuator = open_actuator(config.actions) if body is None else body
    rig = LiveRig(
        senses,
        everything,
        action_names=() if run is None else run.config.action_names,
        action_space=gymnasium.spaces.Discrete(1) if run is None else None,
        step_s=_step_s(config, run),
        rate_hz=config.rate_hz,
        actuator=actuator,
        max_age_s=_max_age_s(config, run, everything, of_body),
        required=config.required,
        safe_action=config.safe_action,
        start_up_s=START_UP_S,
        watched=[sensor for name, sensor in sensors.items() if name not in senses],
    )
    lenient = {name for name, sensor in sensors.items() if sensor.kind.is_text}
    for name, sensor in sensors.items():
        address = config.camera.get(name, "") if isinstance(config.camera, dict) else config.camera or ""
        if isinstance(sensor.kind, Camera) and "://" in address:
            lenient.add(name)
    return Parts(rig, sensors, frozenset(lenient), actuator)


def assemble_replay(config: LiveConfig, run: "Acting | None") -> "tuple[Parts, Replay]":
    """Makes a rig that senses again what a session sensed.

    At real speed it passes as it did, on the computer's clock. At full speed it passes on the clock that was recorded:
    each tick at the very time that it had, so that observations are the same bit for bit.

    Returns:
        The rig with its parts, and the replay, which knows when it has ended.

    Raises:
        SenseweaveError: there is no such session, it does not fit the policy, or an option does not fit it.
    """
    from ...envs.live.sessions.replay import Replay

    replay = Replay(str(config.replay))
    session = replay.session
    if run is not None and run.config.spec != replay.senses:
        raise ConfigError(
            f"{session.path} was recorded with {replay.senses}, but {run.path} was trained with {run.config.spec}; "
            "replay it with the policy that was there, or without one."
        )
    sensors = replay.sensors()
    for option, names in (("max-age", config.max_age_s), ("required", config.required)):
        for name in names:
            if name not in sensors:
                raise ConfigError(f'`{option}` names "{name}", which was not sensed; {did_you_mean(name, sensors)}')
    actuator = open_actuator(config.actions)
    rig = LiveRig(
        replay.senses,
        sensors,
        action_names=() if run is None else run.config.action_names,
        action_space=gymnasium.spaces.Discrete(1) if run is None else None,
        step_s=session.step_s if run is None else run.config.step_s,
        rate_hz=1.0 / session.period_s if config.rate_hz is None else config.rate_hz,
        actuator=actuator,
        clock=replay.clock() if config.full_speed else SystemClock(),
        max_age_s=config.max_age_s,
        required=config.required,
        safe_action=config.safe_action,
        start_up_s=0.0,
    )
    return Parts(rig, {}, frozenset(), actuator), replay


def start_sensors(
    parts: Parts, *, wants_to_stop: Callable[[], bool] = lambda: False, clock: Clock | None = None
) -> list[str]:
    """Starts the sensors and waits, for a while, until each has worked once.

    Returns:
        Those that have given nothing yet.

    Raises:
        ConfigError: one of them failed that is not lenient; all are stopped again.
    """
    clock = clock or SystemClock()
    waiting = {name: sensor for name, sensor in parts.sensors.items() if isinstance(sensor, ThreadedSensor)}
    for sensor in waiting.values():
        sensor.start(clock)
    give_up_s = time.monotonic() + START_UP_S
    while waiting and time.monotonic() < give_up_s and not wants_to_stop():
        for name, sensor in list(waiting.items()):
            if sensor.inbox.newest is not None:
                del waiting[name]
            elif failure := sensor.failure:
                if name not in parts.lenient:
                    raise ConfigError(failure)
                if sensor.kind.is_text:
                    del waiting[name]
        waiting = {name: sensor for name, sensor in waiting.items() if not sensor.kind.is_text}
        time.sleep(0.01)
    return sorted(waiting)


def _senses(config: LiveConfig, run: "Acting | None") -> Spec:
    """The policy's senses; without one, those that are named, as Rooms has them."""
    if run is not None:
        return run.config.spec
    senses: dict[str, Kind] = {}
    for name, kind in default_senses().items():
        given = getattr(config, OPTION_OF[type(kind)])
        if given is not None:
            senses |= dict.fromkeys(given if isinstance(given, dict) else [name], kind)
    return Spec(**senses)


def _open(config: LiveConfig, senses: Spec, run: "Acting | None") -> dict[str, Sensor]:
    """The sensors that are named; a microphone that only serves speech is called `EAR`, which is no sense."""
    is_spoken = config.instruction == SPEECH
    has_no_ear = config.body is not None or not any(isinstance(kind, Microphone) for kind in senses.values())
    phrases = None
    if is_spoken and run is not None:
        trained = run.config.train
        is_known = not needs_naming(trained.env, trained.env_options)  # else nothing is made for a file
        phrases = phrases_of(trained.env, trained.env_options) if is_known else common_phrases()
    return open_sensors(
        senses,
        camera=config.camera,
        microphone=config.microphone,
        instruction=config.instruction,
        phrases=phrases,
        loop=True,
        ear=EAR if is_spoken and has_no_ear else None,
    )


def _require_sensors(senses: Spec, sensors: Mapping[str, Sensor], run: "Acting | None") -> None:
    for name, kind in senses.items():
        if name not in sensors and type(kind) not in OPTION_OF and run is not None:
            raise ConfigError(
                f'{run.path} was trained with "{name}", a {type(kind).__name__}, which no sensor here gives; '
                "train with a camera, a microphone and instructions, or give a --body that has it."
            )


def _make_body(config: LiveConfig, run: "Acting | None") -> Body:
    body = open_body(str(config.body), **config.body_options)
    if run is not None and body.action_names != run.config.action_names:
        raise ConfigError(
            f"The actions of {config.body} are {', '.join(body.action_names)}, but {run.path} was trained with "
            f"{', '.join(run.config.action_names)}; choose another --body."
        )
    return body


def _step_s(config: LiveConfig, run: "Acting | None") -> float:
    if run is not None:
        return run.config.step_s
    return DEFAULT_STEP_S if config.rate_hz is None else 1.0 / config.rate_hz


def _max_age_s(
    config: LiveConfig, run: "Acting | None", sensors: Mapping[str, Sensor], of_body: Mapping[str, Sensor]
) -> dict[str, float]:
    """As the run says, except that an instruction holds until the next one; what the user says goes before both.

    A body senses when it moves, so that what it senses is a tick old when it is looked at: that is never too old.
    """
    trained = {} if run is None else run.config.max_age_s
    own = {
        name: math.inf if without_limit(sensor.kind) else trained[name]
        for name, sensor in sensors.items()
        if name in trained
    }
    min_s = BODY_TICKS * (_step_s(config, run) if config.rate_hz is None else 1.0 / config.rate_hz)
    own |= {name: max(age_s, min_s) for name, age_s in own.items() if name in of_body}
    return own | config.max_age_s
