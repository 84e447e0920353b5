"""`senseweave live --replay`: a recorded session instead of sensors, for another look, another policy or a test.

At real speed it passes as it did, on the computer's clock. At full speed it passes on the clock that was recorded: each
tick at the very time that it had, so that observations are the same bit for bit.
"""

import gymnasium

from ...envs.live.clock import SystemClock
from ...envs.live.rig import LiveRig
from ...envs.live.sessions.replay import Replay
from ...perception.errors import ConfigError, did_you_mean
from ..runs.directory import RunDirectory
from ..settings.live import LiveConfig
from .assemble import Parts, make_actuator


def assemble_replay(config: LiveConfig, run: RunDirectory | None) -> tuple[Parts, Replay]:
    """Makes a rig that senses again what a session sensed.

    Returns:
        The rig with its parts, and the replay, which knows when it has ended.

    Raises:
        SenseweaveError: there is no such session, it does not fit the policy, or an option does not fit it.
    """
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
    actuator = make_actuator(config)
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
