"""Faults of each sense on a virtual clock, a row each, with what the rig must make of it, to the tick."""

import dataclasses
import inspect
import math
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.bodies.actuators import CallbackActuator, Command
from senseweave.envs.live.clock import NS_PER_S, VirtualClock
from senseweave.envs.live.faults import faults
from senseweave.envs.live.faults.faults import (
    ChangesSize,
    ChangesType,
    ClockDrifts,
    ClockJumps,
    ComesInBursts,
    DigitalSilence,
    Ends,
    Fault,
    Frozen,
    Hangs,
    Late,
    NotFinite,
    NotInstalled,
    OpensSlowly,
    OutOfOrder,
    OutOfRange,
    Overflows,
    Raises,
    Repeats,
    Stall,
    Take,
    Unplugged,
    WrongRate,
)
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.reading import Event
from senseweave.envs.live.rig import LiveRig
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import PRESENT, Camera, Instruction, Kind, Microphone, Spec

SENSES = Spec(camera=Camera(16, 16), audio=Microphone(2, 160, 16000), instruction=Instruction(8, 1024))
RATE_HZ = {"camera": 25.0, "audio": 50.0, "instruction": 4.0}
MAX_AGE_S = {"camera": 0.22, "audio": 0.22, "instruction": 0.63}
BACKOFF = {
    "camera": Backoff(start_up_s=1, stall_s=0.5, grace_s=0.2, first_delay_s=0.25, max_delay_s=1),
    "audio": Backoff(start_up_s=1, stall_s=0.5, grace_s=0.2, first_delay_s=0.25, max_delay_s=1),
    "instruction": Backoff(start_up_s=1.5, stall_s=1, grace_s=0.2, first_delay_s=0.25, max_delay_s=1),
}
BOXES = {name: kind.space() for name, kind in SENSES.items()}
STEP_S = 0.05
SECONDS = 6.0
UNCHANGED_S = 0.49
"""For the cases that are told from their content alone."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A fault that begins at 2.01 s, when the last good readings are of 2.00 s.

    `away` holds (lost, back) in seconds: from `lost` on the newest good reading is too old, and at `back` there is a
    good one again. `events` are the sense's, in order, without "instruction" and the first "opened".
    """

    name: str
    faults: tuple[Fault, ...]
    away: tuple[tuple[float, float], ...] = ()
    events: str = ""
    unchanged_s: float | None = None
    seems_here_s: float = 0.0
    starts_s: float = 0.25


NEVER = math.inf
FAILED = "failed absent opened back"
SILENT = "absent stalled opened back"
CASES: dict[str, tuple[Case, ...]] = {
    "camera": (
        Case("stalls", (Stall(2.01, 1),), ((2.22, 3.03),), SILENT),
        Case("hangs", (Hangs(2.01, 2),), ((2.22, 4.55),), "absent stalled hung stalled opened back"),
        Case("hangs for good", (Hangs(2.01),), ((2.22, NEVER),), "absent stalled hung stalled hung"),
        Case("repeats an old frame", (Frozen(2.01, 1),), ((2.22, 3.03),), "dropped " + SILENT),
        Case(
            "is frozen and looks alive",
            (Frozen(2.01, 1, looks_new=True),),
            ((2.52, 3.27),),
            "dropped absent stalled opened back",
            unchanged_s=UNCHANGED_S,
            seems_here_s=0.52,
        ),
        Case("shows black", (DigitalSilence(2.01, 1),), ((2.56, 3.31),), "dropped " + SILENT, UNCHANGED_S, 0.56),
        Case("raises", (Raises(2.01, 0.5),), ((2.22, 2.87),), FAILED),
        Case(
            "raises as drivers do", (Raises(2.01, 0.1, is_foreign=True),), ((2.22, 2.33),), "failed absent opened back"
        ),
        Case("is unplugged", (Unplugged(2.01, 1),), ((2.22, 3.83),), "failed absent failed opened back"),
        Case(
            "stalls and is unplugged later",
            (Stall(2.01, 0.4), Unplugged(3.59, 0.2)),
            ((2.22, 2.44), (3.78, 3.89)),
            "absent back failed absent opened back",
        ),
        Case("changes its size", (ChangesSize(2.01, 1),), ((2.22, 3.03),), "dropped " + SILENT),
        Case("is not finite", (NotFinite(2.01, 1),), ((2.22, 3.03),), "dropped " + SILENT),
        Case("loses some frames", (Overflows(2.01, 0.1),), (), "overflow"),
        Case("is late", (Late(2.01, 1, by_s=0.1),)),
        Case("is too late", (Late(2.01, 1, by_s=0.3),), ((2.22, 3.30),), "absent back"),
        Case("comes in bursts", (ComesInBursts(2.01, 0.4),), ((2.22, 2.41),), "absent back"),
        Case("has a clock that jumps back", (ClockJumps(2.01, 1, by_s=-1),), ((2.22, 3.03),), "dropped " + SILENT),
        Case("has a clock that jumps ahead", (ClockJumps(2.01, 1, by_s=5),)),
        Case("has a fast clock", (ClockDrifts(ppm=500),)),
        Case("is out of order", (OutOfOrder(2.01, 1),), (), "dropped"),
        Case("repeats every frame", (Repeats(2.01, 1),), (), "dropped"),
        Case("is half as fast", (WrongRate(2.01, 1, factor=0.5),)),
        Case("is twice as fast", (WrongRate(2.01, 1, factor=2),)),
        Case("ends", (Ends(2.01),), ((2.22, NEVER),), "ended absent"),
        Case(
            "opens slowly",
            (OpensSlowly(0, 2),),
            ((0.5, 3.19),),
            "absent stalled hung opened back",
            starts_s=0.5,
        ),
        Case("is not installed", (NotInstalled(),), ((0.5, NEVER),), "failed ended absent", starts_s=0.5),
    ),
    "audio": (
        Case("stalls", (Stall(2.01, 1),), ((2.22, 3.01),), SILENT),
        Case("hangs", (Hangs(2.01, 2),), ((2.22, 4.53),), "absent stalled hung stalled opened back"),
        Case("is muted", (DigitalSilence(2.01, 1),), ((2.52, 3.27),), "dropped " + SILENT, UNCHANGED_S, 0.52),
        Case("loses a little", (Overflows(2.01, 0.1),), (), "overflow"),
        Case("loses a second", (Overflows(2.01, 1),), ((2.22, 3.01),), "overflow " + SILENT),
        Case("raises", (Raises(2.01, 0.5),), ((2.22, 2.81),), FAILED),
        Case("is unplugged", (Unplugged(2.01, 1),), ((2.22, 3.79),), "failed absent failed opened back"),
        Case("changes its block size", (ChangesSize(2.01, 1),), ((2.22, 3.01),), "dropped " + SILENT),
        Case("changes its type", (ChangesType(2.01, 1),), ((2.22, 3.01),), "dropped " + SILENT),
        Case("is not finite", (NotFinite(2.01, 1),), ((2.22, 3.01),), "dropped " + SILENT),
        Case("is not scaled", (OutOfRange(2.01, 1),), ((2.22, 3.01),), "dropped " + SILENT),
        Case("has a fast clock", (ClockDrifts(ppm=500),)),
        Case("has a slow clock", (ClockDrifts(ppm=-500),)),
        Case("has a clock that jumps back", (ClockJumps(2.01, 1, by_s=-1),), ((2.22, 3.01),), "dropped " + SILENT),
        Case("comes in bursts", (ComesInBursts(2.01, 0.4),), ((2.22, 2.41),), "absent back"),
        Case("is half as fast", (WrongRate(2.01, 1, factor=0.5),)),
        Case("is not installed", (NotInstalled(),), ((0.5, NEVER),), "failed ended absent", starts_s=0.5),
    ),
    "instruction": (
        Case("is not said again", (Stall(2.01, 1),), ((2.63, 3.5),), SILENT),
        Case("hangs", (Hangs(2.01, 2),), ((2.63, 4.2),), "absent stalled hung opened back"),
        Case("repeats an old text", (Frozen(2.01, 1),), ((2.63, 3.5),), "dropped " + SILENT),
        Case("raises", (Raises(2.01, 0.5),), ((2.63, 2.75),), FAILED),
        Case("is unplugged", (Unplugged(2.01, 1),), ((2.63, 4.25),), "failed failed absent opened back"),
        Case("has too many tokens", (ChangesSize(2.01, 1),), ((2.63, 3.5),), "dropped " + SILENT),
        Case("has tokens of floats", (NotFinite(2.01, 1),), ((2.63, 3.5),), "dropped " + SILENT),
        Case("has unknown tokens", (OutOfRange(2.01, 1),), ((2.63, 3.5),), "dropped " + SILENT),
        Case("is late", (Late(2.01, 1, by_s=0.3),)),
        Case("is too slow", (WrongRate(2.01, 1, factor=0.1),), ((2.88, 3.75),), SILENT),
        Case("has a clock that jumps back", (ClockJumps(2.01, 1, by_s=-1),), ((2.63, 3.5),), "dropped " + SILENT),
        Case("is out of order", (OutOfOrder(2.01, 1),), (), "dropped"),
        Case("ends", (Ends(2.01),), ((2.63, NEVER),), "ended absent"),
    ),
}
TABLE = [pytest.param(sense, case, id=f"{sense} {case.name}") for sense in CASES for case in CASES[sense]]


class BirthScript(Script):
    """A script that remembers when the world looked how."""

    def __init__(self, kind: Kind, rate_hz: float, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(kind, rate_hz, faults)
        self.born_s: dict[bytes, float] = {}

    def take(self, time_s: float) -> Take:
        self.born_s[self.content(self._number).tobytes()] = time_s
        return super().take(time_s)


@dataclasses.dataclass
class Tick:
    time_s: float
    observation: dict[str, np.ndarray]
    command: Command | None


@dataclasses.dataclass
class Run:
    ticks: list[Tick]
    events: list[Event]
    sensors: dict[str, ScriptedSensor]
    rig: LiveRig

    def times(self, kind: str) -> list[float]:
        return [event.time_ns / NS_PER_S for event in self.events if event.kind == kind]


def play(sense: str, case: Case) -> Run:
    """A rig with three scripted sensors, one of them faulty and required, for six virtual seconds."""
    sensors = {
        name: ScriptedSensor(
            name,
            BirthScript(kind, RATE_HZ[name], case.faults if name == sense else ()),
            max_age_s=MAX_AGE_S[name],
            backoff=BACKOFF[name],
            unchanged_s=case.unchanged_s if name == sense else None,
        )
        for name, kind in SENSES.items()
    }
    sent: list[Command] = []
    rig = LiveRig(
        SENSES,
        sensors,
        action_names=("go", "stay"),
        step_s=STEP_S,
        actuator=CallbackActuator(sent.append),
        clock=VirtualClock(),
        required=(sense,),
        safe_action="stay",
        start_up_s=0.5,
    )
    observation, info = rig.reset()
    ticks = [Tick(info["time_ns"] / NS_PER_S, observation, None)]
    events = list(info["events"])
    while ticks[-1].time_s < SECONDS:
        observation, reward, terminated, truncated, info = rig.step(0)
        assert (reward, terminated, truncated) == (0.0, False, False)
        ticks[-1].command = sent[-1]
        ticks.append(Tick(info["time_ns"] / NS_PER_S, observation, None))
        events += info["events"]
    assert len(sent) == len(ticks) - 1
    return Run(ticks, events, sensors, rig)


@pytest.mark.parametrize(("sense", "case"), TABLE)
def test_the_rig_makes_of_a_fault_what_the_table_says(sense: str, case: Case) -> None:
    run = play(sense, case)
    place = SENSES.names.index(sense)

    # The loop: it began as soon as everything was there, and missed nothing.
    assert [tick.time_s for tick in run.ticks] == pytest.approx(
        [case.starts_s + STEP_S * i for i in range(round((SECONDS - case.starts_s) / STEP_S) + 1)]
    )
    assert run.rig.timing.overruns == 0

    # Presence: gone within a tick of being too old, back within a tick of the first good reading.
    def is_away(time_s: float) -> bool:
        return any(lost_s < time_s + 1e-9 and time_s < back_s - 1e-9 for lost_s, back_s in case.away)

    for tick in run.ticks:
        assert bool(tick.observation[PRESENT][place]) is not is_away(tick.time_s), tick.time_s

    # Content: the placeholder where it is absent; elsewhere what the world was like no longer than max_age_s ago.
    for tick in run.ticks:
        for name in SENSES:
            content, script = tick.observation[name], run.sensors[name].script
            assert BOXES[name].contains(content)
            if not tick.observation[PRESENT][SENSES.names.index(name)]:
                assert name == sense
                assert not content.any()
                continue
            is_deceived = name == sense and 2.01 <= tick.time_s < 2.01 + case.seems_here_s
            if not is_deceived:
                assert tick.time_s - script.born_s[content.tobytes()] <= MAX_AGE_S[name] + 1e-9

    # Action: the safe one is the answer to every observation without the required sense, and to no other.
    for i, tick in enumerate(run.ticks[:-1]):
        assert tick.command.tick == i
        assert (tick.command.name, tick.command.is_safe) == (("stay", True) if is_away(tick.time_s) else ("go", False))

    # Events: each told once, the sense's and the loop's.
    told = [event.kind for event in run.events if event.sense == sense and event.kind != "instruction"]
    if told[:1] == ["opened"]:
        told = told[1:]
    assert " ".join(told) == case.events
    assert len(run.times("absent")) == len(run.times("safe")) == len(case.away)
    assert len(run.times("back")) == len(run.times("resumed")) == sum(back_s < SECONDS for _, back_s in case.away)


def test_every_fault_is_in_the_table_and_each_sense_has_eight_cases_or_more() -> None:
    known = {thing for _, thing in inspect.getmembers(faults, inspect.isclass) if issubclass(thing, Fault)} - {Fault}
    used = {type(fault) for cases in CASES.values() for case in cases for fault in case.faults}
    assert used == known
    assert all(len(cases) >= 8 for cases in CASES.values())


def test_the_page_on_faults_names_every_case_and_every_fault() -> None:
    page = (Path(__file__).parents[4] / "docs" / "how" / "faults.md").read_text(encoding="utf-8")
    for sense, cases in CASES.items():
        for case in cases:
            assert f"| {sense} {case.name} |" in page
            for fault in case.faults:
                assert f"`{type(fault).__name__}" in page


def test_the_pages_example_runs_and_shows_two_losses(capsys) -> None:
    page = (Path(__file__).parents[4] / "docs" / "how" / "faults.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 100
    assert sum("'absent'" in line for line in printed) == sum("'back'" in line for line in printed) == 2
    assert sum("stay" in line for line in printed) > 20


def test_the_same_script_gives_the_same_run() -> None:
    case = CASES["camera"][1]
    first, second = play("camera", case), play("camera", case)
    assert first.events == second.events
    for one, other in zip(first.ticks, second.ticks, strict=True):
        for key, content in one.observation.items():
            assert np.array_equal(content, other.observation[key])


TIMES = st.floats(0, 2)
HONEST_FAULTS = st.one_of(
    *(
        st.builds(kind, TIMES, TIMES)
        for kind in (Stall, Hangs, Raises, Unplugged, OpensSlowly, ChangesSize, ChangesType, NotFinite, OutOfRange)
    ),
    *(st.builds(kind, TIMES, TIMES) for kind in (Frozen, Overflows, ComesInBursts, OutOfOrder, Repeats, Ends)),
    st.builds(NotInstalled, TIMES, TIMES),
    st.builds(Late, TIMES, TIMES, st.floats(0, 1)),
    st.builds(ClockJumps, TIMES, TIMES, st.floats(-3, 0)),
    st.builds(ClockDrifts, TIMES, TIMES, st.floats(-1e5, 0)),
    st.builds(WrongRate, TIMES, TIMES, st.floats(0.1, 1.2)),
)
"""All but those that claim to be newer than they are: nobody can tell those from the truth."""


@hypothesis.settings(max_examples=hypothesis.settings.default.max_examples // 20)
@hypothesis.given(
    st.fixed_dictionaries({name: st.lists(HONEST_FAULTS, max_size=4) for name in SENSES}), st.sampled_from([0.05, 0.1])
)
def test_whatever_goes_wrong_together_the_loop_goes_on_and_shows_nothing_stale(scripts, step_s: float) -> None:
    sensors = {
        name: ScriptedSensor(
            name, BirthScript(kind, RATE_HZ[name], scripts[name]), max_age_s=MAX_AGE_S[name], backoff=BACKOFF[name]
        )
        for name, kind in SENSES.items()
    }
    sent: list[Command] = []
    rig = LiveRig(
        SENSES,
        sensors,
        action_names=("go", "stay"),
        step_s=step_s,
        actuator=CallbackActuator(sent.append),
        clock=VirtualClock(),
        required=("camera",),
        safe_action="stay",
        start_up_s=0.5,
    )
    observation, info = rig.reset()
    start_ns, steps = info["time_ns"], round(3 / step_s)
    kinds: dict[str, list[str]] = {name: [] for name in (*SENSES, "")}
    was_seen = bool(observation[PRESENT][SENSES.names.index("camera")])
    for i in range(1, steps + 1):
        for event in info["events"]:
            kinds[event.sense].append(event.kind)
        observation, *_, info = rig.step(0)
        assert info["time_ns"] == start_ns + i * round(step_s * NS_PER_S)
        assert sent[-1].is_safe is not was_seen
        for place, name in enumerate(SENSES):
            content = observation[name]
            if not observation[PRESENT][place]:
                assert not content.any()
                continue
            born_s = sensors[name].script.born_s[content.tobytes()]
            assert info["time_ns"] / NS_PER_S - born_s <= MAX_AGE_S[name] + 1e-6
        was_seen = bool(observation[PRESENT][SENSES.names.index("camera")])
    assert len(sent) == steps
    for told in kinds.values():
        turns = [kind for kind in told if kind in ("absent", "back", "safe", "resumed")]
        assert turns == [("absent", "back")[i % 2] for i in range(len(turns))] or turns == [
            ("safe", "resumed")[i % 2] for i in range(len(turns))
        ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stall(-1),
        lambda: Stall(math.nan),
        lambda: Stall(0, -1),
        lambda: WrongRate(0, 1, factor=0),
        lambda: Script(Camera(16, 16), 0),
    ],
)
def test_a_script_that_cannot_be_is_refused(make) -> None:
    with pytest.raises(ConfigError):
        make()
