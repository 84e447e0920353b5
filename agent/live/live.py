"""`senseweave live`: a trained policy acts on live sensors, or the sensors are only shown and recorded.

The parts are put together here; the loop itself is in loop.py, what is shown in status_line.py.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...envs.live.reading import Event
from ...envs.live.remote.policy import RemotePolicy
from ...envs.live.sensor import ThreadedSensor, stop_together
from ...envs.live.tick import Tick
from ...envs.registry import import_package
from ...perception.errors import ConfigError
from ..play.players import Player, PolicyPlayer
from ..runs.exported import ExportedRun, open_policy
from ..settings.live import LiveConfig
from ..terminal.progress import duration, tell
from ..terminal.stop import StopRequest
from .assemble import Parts, assemble, assemble_replay, start_sensors
from .loop import Tally, limit_heaps, run_loop
from .remote import RemoteRun
from .status_line import Glance, StatusLine, loading_after

if TYPE_CHECKING:
    from ...envs.live.sessions.recorder import Recorder
    from ...envs.live.sessions.replay import Replay
    from ...envs.live.sessions.session import Session
    from .remote import Acting
    from .report import Reporter


def live(config: LiveConfig, *, on_tick: Callable[[Tick], object] | None = None) -> dict[str, Any]:
    """Runs one session.

    Args:
        config: what was asked for.
        on_tick: called with every tick, in the loop's thread; it must return at once.

    Returns:
        What `live --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    limit_heaps()
    import_package(config.body)  # which may register kinds that the run senses
    with contextlib.ExitStack() as whole:
        run: Acting | None = None
        if config.remote is not None:
            run = RemoteRun.call(config)
            whole.callback(run.link.close)
        elif config.policy is not None:
            run = open_policy(config.policy)
        return _live(config, run, on_tick)


def _live(config: LiveConfig, run: "Acting | None", on_tick: Callable[[Tick], object] | None) -> dict[str, Any]:
    if run is not None and not run.config.action_names:
        raise ConfigError(f"The actions of {run.path} have no names to tell anybody; drive it with LiveRig.")
    if run is not None and not _chooses_one_action(run):
        raise ConfigError(
            f"The policy in {run.path} does not choose one of its named actions, but numbers; drive it with "
            "LiveRig(action_space=...)."
        )
    replay: Replay | None = None
    if config.replay is None:
        parts = assemble(config, run)
    else:
        parts, replay = assemble_replay(config, run)
    player = None if run is None else _load_player(config, run, parts)
    stop = StopRequest("Ending; once more quits at once.")
    with stop, _closing(parts), contextlib.ExitStack() as opened:
        late = start_sensors(parts, wants_to_stop=lambda: stop.is_set, clock=parts.rig.clock)
        status = opened.enter_context(StatusLine(parts.rig.timing))
        guess = "Does the policy hang?" if config.remote is None else "The server does not answer in time."
        parts.rig.on_silence = lambda sentence: status.tell(f"{sentence} {guess}")
        observers: list[Callable[[Tick], object]] = [_shown_on(status, parts, late)]
        if on_tick is not None:
            observers.append(on_tick)
        recorder = None
        if config.record is not None:
            recorder = opened.enter_context(_recorder(config, parts, run, status))
            observers.append(recorder.on_tick)
        reporter = None
        if config.report is not None:
            reporter = opened.enter_context(_reporter(config, parts, status))
            observers.append(reporter.on_tick)
        opened.callback(parts.rig.close)  # the safe action goes out before files are finished, which takes a while

        def note_last_events(events: Sequence[Event]) -> None:
            status.tell_events(events)
            for observer in (recorder, reporter):
                if observer is not None:
                    observer.note(events)

        tally = run_loop(
            parts.rig,
            player,
            seconds=math.inf if config.seconds is None else config.seconds,
            seed=config.seed,
            wants_to_stop=lambda: stop.is_set or (replay is not None and replay.has_ended) or _is_left(parts, status),
            observers=observers,
            on_end=note_last_events,
        )
        if reporter is not None and replay is not None:
            from .report import facts_of

            reporter.add_facts(facts_of(replay.session))
    result = _result(config, parts, tally, was_interrupted=stop.is_set)
    return result | {
        "remote": player.facts() if isinstance(player, RemotePolicy) else None,
        "replay": None if replay is None else _replayed(replay.session),
        "recording": None if recorder is None else recorder.close(),
        "report": None if reporter is None else reporter.close(),
    }


def _is_left(parts: Parts, status: StatusLine) -> bool:
    """Whether nothing is sensed any more, and nothing ever will be; it is told."""
    sensors = list(parts.rig.sensors.values())
    if not sensors or not all(isinstance(sensor, ThreadedSensor) and sensor.has_ended for sensor in sensors):
        return False
    status.tell(f"Nothing is left to sense: {', '.join(parts.rig.sensors)} ended for good.")
    return True


def _replayed(session: "Session") -> dict[str, Any]:
    """What a session turned out to be when it was read; a sentence for people where that is not whole."""
    if session.damage:
        tell(session.damage_told)
    if not session.is_sealed:
        tell(f"{session.path} is of an earlier release: its description has no checksum.")
    return {
        "file": str(session.path),
        "is_sealed": session.is_sealed,
        "damage": session.damage,
        "share_read": session.share_read,
    }


def _chooses_one_action(run: "Acting") -> bool:
    if isinstance(run, ExportedRun | RemoteRun):
        return run.chooses_one_action
    from ..runs.policies import chooses_one_action

    return chooses_one_action(run)


def _load_player(config: LiveConfig, run: "Acting", parts: Parts) -> Player:
    """The player; torch is imported only where it is the run itself that acts, and not what was exported of it."""
    if isinstance(run, RemoteRun):
        return RemotePolicy(run.link, parts.rig)
    if isinstance(run, ExportedRun):
        exported = run.policy_for(parts.rig)
        exported.seed(config.seed)
        return PolicyPlayer(exported, greedy=config.greedy)
    import torch

    from ..runs.machine import choose_device
    from ..runs.policies import load_policy

    policy, _ = load_policy(run, parts.rig, choose_device(config.device))
    torch.manual_seed(config.seed)
    return PolicyPlayer(policy, greedy=config.greedy)


def _recorder(config: LiveConfig, parts: Parts, run: "Acting | None", status: StatusLine) -> "Recorder":
    from ...envs.live.sessions.recorder import Recorder

    policy = {} if run is None else {"run": run.config.run, "path": str(run.path), "greedy": _is_greedy(config, run)}
    return Recorder.of(parts.rig, str(config.record), policy=policy, tell=status.tell)


def _is_greedy(config: LiveConfig, run: "Acting") -> bool:
    return config.greedy if not isinstance(run, RemoteRun) or run.link.hello is None else run.link.hello.is_greedy


def _reporter(config: LiveConfig, parts: Parts, status: StatusLine) -> "Reporter":
    from .report import Reporter

    folder = Path(str(config.report)).absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"`report` must be in a folder that can be written to; {folder} cannot. Choose another one.")
    named = ("policy", "remote", "replay", "camera", "microphone", "instruction", "body")
    facts = {field: str(getattr(config, field)) for field in named if getattr(config, field) is not None}
    return Reporter.of(parts.rig, str(config.report), facts=facts, tell=status.tell)


@contextlib.contextmanager
def _closing(parts: Parts) -> Iterator[None]:
    """Gives the devices back, also those that were started before the rig was reset."""
    try:
        yield
    finally:
        parts.rig.close()
        stop_together(parts.sensors.values())


def _shown_on(status: StatusLine, parts: Parts, late: list[str]) -> Callable[[Tick], None]:
    first = [f"{name}: nothing yet. The loop begins without it." for name in late]
    unserved = (name for name in parts.rig.senses if name not in parts.rig.sensors)
    first += [f"{name}: the policy was trained with it, but it has no sensor here; it is absent." for name in unserved]
    held = frozenset(name for name, age_s in parts.rig.max_age_s.items() if age_s == math.inf)

    loading: frozenset[str] = frozenset()

    def show(tick: Tick) -> None:
        nonlocal loading
        while first:  # not before the first tick: until then a mistake may be the only thing to be told
            status.tell(first.pop(0))
        status.tell_events(tick.moment.events)
        loading = loading_after(loading, tick.moment.events)
        retries = {name: sensor.retries for name, sensor in parts.rig.sensors.items() if sensor.retries}
        status.show(Glance(tick, loading, held, retries))

    return show


def _result(config: LiveConfig, parts: Parts, tally: Tally, *, was_interrupted: bool) -> dict[str, Any]:
    timing = parts.rig.timing
    return {
        "policy": config.policy,
        "ticks": tally.ticks,
        "seconds": tally.seconds,
        "rate_hz": timing.rate_hz,
        "wanted_hz": 1.0 / parts.rig.period_s,
        "overruns": timing.overruns,
        "jitter_p50_ms": timing.p50_ms,
        "jitter_p99_ms": timing.p99_ms,
        "jitter_max_ms": timing.lateness_ms(100),
        "work_p50_ms": timing.work_ms(50),
        "work_p99_ms": timing.work_ms(99),
        "presence": tally.presence,
        "retries": {name: sensor.retries for name, sensor in parts.rig.sensors.items()},
        "safe_ticks": tally.safe_ticks,
        "events": sum(tally.events.values()),
        "events_by_kind": dict(sorted(tally.events.items())),
        "body": None if config.body is None else {"env": config.body} | parts.actuator.report(),
        "instruction": "" if parts.rig.moment is None else parts.rig.moment.instruction,
        "was_interrupted": was_interrupted,
    }


def as_text(result: dict[str, Any]) -> str:
    """The session for people."""
    senses = ", ".join(f"{name} {100 * share:.1f} %" for name, share in result["presence"].items())
    missed = "no tick missed" if not result["overruns"] else f"{result['overruns']} ticks missed"
    lines = [
        f"{result['ticks']:,} ticks in {duration(result['seconds'])}, {result['rate_hz']:.2f} Hz, {missed}",
        f"jitter    p50 {result['jitter_p50_ms']:.2f} ms, p99 {result['jitter_p99_ms']:.2f} ms; "
        f"work in a tick p50 {result['work_p50_ms']:.1f} ms, p99 {result['work_p99_ms']:.1f} ms",
        f"present   {senses}",
    ]
    if (remote := result["remote"]) is not None:
        lines.append(
            f"remote    {remote['answers']:,} answers, p50 {remote['round_trip_p50_ms']:.1f} ms, p99 "
            f"{remote['round_trip_p99_ms']:.1f} ms; {remote['missed']:,} did not come in time"
        )
    for name, count in result["retries"].items():
        if count:
            lines.append(
                f"{name:<9} did not work at the end; its device was tried {count:,} time{'s' * (count != 1)} in a row"
            )
    if result["safe_ticks"]:
        lines.append(f"safe      the safe action in {result['safe_ticks']:,} ticks")
    if "episodes" in (result["body"] or {}):
        lines.append(f"body      {result['body']['successes']} of {result['body']['episodes']} episodes succeeded")
    if (result["replay"] or {}).get("damage"):
        told = f"{result['replay']['damage']} {100 * result['replay']['share_read']:.1f} % of its bytes were read."
        lines.append(f"replay    {told}")
    if result["recording"] is not None:
        lines.append(f"recording {result['recording']['failure'] or result['recording']['file']}")
    if result["report"] is not None:
        lines.append(f"report    {result['report']['failure'] or result['report']['file']}")
    if result["events"]:
        told = ", ".join(f"{count} {kind}" for kind, count in result["events_by_kind"].items())
        lines.append(f"events    {told}")
    return "\n".join(lines)
