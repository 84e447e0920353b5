"""Our levels and minigrid's: no statistic below tells the same number of episodes of both apart."""

import collections

import numpy as np
import pytest
import torch
from scipy import stats

from kit.rooms import oracle
from senseweave.envs.rooms.codes import DOOR
from senseweave.envs.rooms.levels.level import Level
from senseweave.envs.rooms.levels.registry import make_level
from senseweave.envs.rooms.levels.twins import TWINS, twin_of
from senseweave.envs.rooms.state import GONE, RoomsState
from senseweave.envs.rooms.world import World

PAIRS = {env_id.removeprefix("BabyAI-").removesuffix("-v0"): twin for env_id, twin in TWINS.items()}
"""minigrid's level -> ours, with options."""

OFTEN = [
    "GoToRedBallGrey",
    "GoToRedBall",
    "GoToRedBallNoDists",
    "GoToObj",
    "GoToObjS4",
    "GoToLocal",
    "GoToLocalS5N2",
    "PickupLoc",
    "PutNextLocal",
    "PutNextLocalS5N3",
    "GoToDoor",
    "OpenDoor",
    "OpenDoorLoc",
    "GoTo",
    "GoToOpen",
    "GoToObjMazeS4R2",
    "Pickup",
    "Open",
]
"""Those whose statistics are compared in every run of the tests: each of our levels, and its extremes."""


def minigrids(level: str, count: int, seed: int = 0) -> tuple[RoomsState, list[str]]:
    env = oracle.make(level)
    rows, missions = [], []
    with oracle.quiet():
        for number in range(seed, seed + count):
            env.reset(seed=number)
            rows.append(oracle.copied(env, 40))
            missions.append(env.mission)
    return oracle.stacked(rows), missions


def our(level: str) -> Level:
    name, options = PAIRS[level]
    return make_level(name, **options)


def ours(level: Level, count: int, seed: int = 0) -> tuple[RoomsState, list[str]]:
    state = level.generate(torch.full((count,), seed), torch.arange(count), torch.zeros(count, dtype=torch.int64))
    return state, [level.missions[row] for row in state.mission.tolist()]


def features(state: RoomsState, missions: list[str], width: int) -> dict[str, np.ndarray]:
    """What is compared, one array of labels each."""
    is_there = state.object_cell != GONE
    is_door = is_there & (state.object_kind == DOOR)
    is_thing = is_there & ~is_door
    x, y = state.object_cell % width, state.object_cell // width
    dx, dy = x - state.agent_cell[:, None] % width, y - state.agent_cell[:, None] // width
    distance = dx.abs() + dy.abs()
    far = torch.full_like(distance, 999)
    look = state.object_kind * 6 + state.object_colour
    nearest = torch.where(is_thing, distance, far).min(dim=1)
    between = (x[:, :, None] - x[:, None]).abs() + (y[:, :, None] - y[:, None]).abs()
    touching = (between == 1) & is_thing[:, :, None] & is_thing[:, None]
    code = state.cells.gather(1, state.object_cell.clamp(min=0))
    front = torch.tensor([1, width, -1, -width])[state.heading] + state.agent_cell
    both = state.is_target[:, :, None] & state.is_second[:, None]
    return {
        "mission": np.array(missions),
        "heading": state.heading.numpy(),
        "agent's cell": state.agent_cell.numpy(),
        "number of things": is_thing.sum(dim=1).numpy(),
        "number of doors": is_door.sum(dim=1).numpy(),
        "number of targets": state.is_target.sum(dim=1).numpy(),
        "looks of things": look[is_thing].numpy(),
        "cells of things": state.object_cell[is_thing].numpy(),
        "cells of doors": state.object_cell[is_door].numpy(),
        "doors' colours and states": code[is_door].numpy(),
        "target's distance": torch.where(state.is_target, distance, far).min(dim=1).values.numpy(),
        "target's cell": state.object_cell[state.is_target].numpy(),
        "nearest thing's distance": nearest.values.numpy(),
        "nearest thing in the agent's eyes": (nearest.values * 4 + state.heading).numpy(),
        "pairs that touch": touching.sum(dim=(1, 2)).numpy(),
        "what is ahead": state.cells.gather(1, front[:, None]).numpy().flatten(),
        "different looks": np.array([len(set(row[there].tolist())) for row, there in zip(look, is_thing, strict=True)]),
        "from target to second": torch.where(both, between, far[:, :, None]).amin(dim=(1, 2)).numpy(),
        "max_steps": state.max_steps.numpy(),
    }


def p_value(one: np.ndarray, other: np.ndarray) -> float:
    """Chi-square of two samples; what is rare counts as one kind."""
    first, second = collections.Counter(one.tolist()), collections.Counter(other.tolist())
    kinds = first | second
    rare = [kind for kind in kinds if first[kind] + second[kind] < 10]
    table = [[first[kind], second[kind]] for kind in kinds if kind not in rare]
    table.append([sum(first[kind] for kind in rare), sum(second[kind] for kind in rare)])
    table = [row for row in table if sum(row)]
    return float(stats.chi2_contingency(table, correction=False).pvalue) if len(table) > 1 else 1.0


def differences(level: str, mine: Level, count: int, seed: int = 0) -> dict[str, float]:
    """What tells the rooms apart, with the chance that it is chance."""
    theirs, their_missions = minigrids(level, count, seed)
    state, my_missions = ours(mine, count, seed)
    assert theirs.cells.shape == state.cells.shape
    assert set(their_missions) <= set(mine.missions)
    one, other = features(theirs, their_missions, mine.width), features(state, my_missions, mine.width)
    assert set(one["max_steps"].tolist()) == set(other["max_steps"].tolist())
    assert set(one["number of things"].tolist()) == set(other["number of things"].tolist())
    return {name: p for name in one if (p := p_value(one[name], other[name])) < 1e-4}


def test_there_is_a_twin_of_each_of_38_levels_and_of_no_other():
    assert len(TWINS) == 38
    assert twin_of("BabyAI-GoToLocalS7N4-v0") == ("senseweave/GoToLocal-v0", {"room_size": 7, "objects": 4})
    assert twin_of("BabyAI-BossLevel-v0") is None and twin_of("senseweave/GoToLocal-v0") is None


@pytest.mark.parametrize("level", PAIRS)
def test_a_twin_has_the_size_the_limit_and_the_missions_of_its_level(level):
    mine, (theirs, their_missions) = our(level), minigrids(level, 8)
    state, _ = ours(mine, 64)
    assert theirs.cells.shape[1] == mine.height * mine.width and set(their_missions) <= set(mine.missions)
    assert set(theirs.max_steps.tolist()) == set(state.max_steps.tolist())


@pytest.mark.parametrize("level", OFTEN)
def test_no_statistic_tells_our_rooms_from_minigrids(level):
    assert not differences(level, our(level), 120)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("level", PAIRS)
def test_no_statistic_tells_thousands_of_our_rooms_from_minigrids(level):
    assert not differences(level, our(level), 10_000, seed=1_000_000)


@pytest.mark.parametrize(
    ("level", "spoil", "noticed"),
    [
        ("GoToLocal", lambda mine: mine._taken.zero_(), "nearest thing's distance"),
        ("PickupLoc", lambda mine: mine._weights.fill_(1), "mission"),
        ("PickupLoc", lambda mine: setattr(mine, "_poses", mine._poses[:70]), "agent's cell"),
        ("OpenDoor", lambda mine: mine._slots.add_(1), "number of targets"),
        ("GoToObjMazeS4R2", lambda mine: mine.plan.is_connected.fill_(True), "number of doors"),
    ],
)
def test_the_statistics_notice_a_level_with_other_rules(level, spoil, noticed):
    mine = our(level)
    spoil(mine)
    assert noticed in differences(level, mine, 300)


def played_by_chance(level: str, episodes: int) -> tuple[list[int], list[int]]:
    """In which eighth of its time each episode succeeds, 8 if never: minigrid's and ours, random actions in both."""
    env, actions, theirs = oracle.make(level), np.random.default_rng(3), []
    with oracle.quiet():
        for seed in range(episodes):
            env.reset(seed=seed)
            reward, has_ended = 0, False
            while not has_ended:
                _, reward, terminated, truncated, _ = env.step(actions.integers(7))
                has_ended = terminated or truncated
            theirs.append((env.step_count - 1) * 8 // env.max_steps if reward > 0 else 8)
    mine = our(level)
    state, _ = ours(mine, episodes)
    world, generator = World(mine.height, mine.width), torch.Generator().manual_seed(3)
    when = torch.full((episodes,), 8)
    for step in range(mine.max_steps):
        outcome = world.step(state, torch.randint(7, (episodes,), generator=generator))
        when = torch.where((outcome.reward > 0) & (when == 8), step * 8 // mine.max_steps, when)
    return theirs, when.tolist()


@pytest.mark.parametrize("level", ["GoToRedBallGrey", "PickupLoc"])
def test_chance_succeeds_as_soon_and_as_often_as_in_minigrid(level):
    theirs, mine = played_by_chance(level, 80)
    assert p_value(np.array(theirs), np.array(mine)) > 1e-4
    assert abs(theirs.count(8) - mine.count(8)) < 25


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("level", PAIRS)
def test_chance_succeeds_as_soon_and_as_often_as_in_minigrid_over_many_episodes(level):
    episodes = 400 if PAIRS[level][0] in ("GoTo", "Pickup", "Open") else 2_000
    theirs, mine = played_by_chance(level, episodes)
    assert p_value(np.array(theirs), np.array(mine)) > 1e-4
