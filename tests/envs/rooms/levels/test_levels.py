import re

import pytest
import torch

from senseweave.envs.rooms.codes import (
    CLOSED,
    COLOURS,
    DOOR,
    EMPTY,
    EMPTY_CODE,
    KINDS,
    OPEN,
    SILENT,
    SIZES,
    SOUNDS,
    WALL,
    WALL_CODE,
    unpacked,
)
from senseweave.envs.rooms.levels.level import Level
from senseweave.envs.rooms.levels.reach import Reach
from senseweave.envs.rooms.levels.registry import LEVELS, make_level
from senseweave.envs.rooms.missions import VOICES
from senseweave.envs.rooms.state import GO_TO, GONE, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState
from senseweave.perception.errors import ConfigError, UnknownNameError

BABYAI = [name for name in LEVELS if not name.startswith("Seek")]


def rooms(name: str, count: int = 300, seed: int = 5, **options: object) -> tuple[Level, RoomsState]:
    level = make_level(name, **options)
    state = level.generate(torch.full((count,), seed), torch.arange(count), torch.arange(count) % 7)
    return level, state


@pytest.mark.parametrize("name", LEVELS)
def test_nothing_overlaps_and_cells_agree_with_objects(name):
    level, state = rooms(name)
    assert state.object_cell.shape[1] == level.objects
    codes = (state.object_kind * SIZES[1] + state.object_colour) * SIZES[2]
    for row in range(len(state)):
        here = [cell for cell in state.object_cell[row].tolist() if cell != GONE]
        assert len(set(here)) == len(here) and state.agent_cell[row].item() not in here
        assert state.cells[row, state.agent_cell[row]] == EMPTY_CODE
        contents = {
            cell: code for cell, code in enumerate(state.cells[row].tolist()) if code not in (EMPTY_CODE, WALL_CODE)
        }
        assert sorted(contents) == sorted(here)
        for slot, cell in enumerate(state.object_cell[row].tolist()):
            if cell != GONE:
                assert contents[cell] // 3 == codes[row, slot] // 3


@pytest.mark.parametrize("name", LEVELS)
def test_an_episode_begins_with_nothing_done_and_something_to_do(name):
    level, state = rooms(name)
    assert (state.step_count == 0).all() and (state.max_steps == level.max_steps).all()
    assert (state.carried == -1).all() and torch.equal(state.previous_pose, state.pose)
    assert state.is_target.any(dim=1).all() and not (state.is_target & (state.object_cell == GONE)).any()
    assert not (state.is_target & state.is_second).any() and not (state.is_target & state.is_wrong).any()
    assert state.mission.min() >= 0 and state.mission.max() < len(level.missions)
    assert set(state.voice.tolist()) == set(range(VOICES))
    assert set(state.object_phase.flatten().tolist()) == set(range(10))
    assert set(state.object_sound.flatten().tolist()) <= {SILENT, *range(len(SOUNDS))}


def assert_equal_rows(one: RoomsState, other: RoomsState, rows: torch.Tensor) -> None:
    for field in RoomsState.names():
        assert torch.equal(getattr(one, field), getattr(other, field)[rows]), field


@pytest.mark.parametrize("name", LEVELS)
def test_a_row_depends_on_nothing_but_its_seed_number_and_episode(name):
    level = make_level(name)
    count = 4_096
    seed, index, episode = torch.arange(count) % 3, torch.arange(count), torch.arange(count) % 5
    whole = level.generate(seed, index, episode)
    for part in (torch.tensor([17]), torch.arange(100, 116), torch.arange(0, count, 41), torch.arange(count).flip(0)):
        assert_equal_rows(make_level(name).generate(seed[part], index[part], episode[part]), whole, part)


@pytest.mark.parametrize("name", LEVELS)
def test_another_seed_number_or_episode_is_another_world(name):
    level = make_level(name)
    three = torch.tensor([3] * 40)
    numbers = torch.arange(40)
    for arguments in ((numbers, three, three), (three, numbers, three), (three, three, numbers)):
        state = level.generate(*arguments)
        worlds = torch.cat([state.cells, state.agent_cell[:, None], state.heading[:, None]], dim=1)
        assert len(worlds.unique(dim=0)) >= 35
    # (seed, number) is no sum: neighbours in both do not share lives.
    assert not torch.equal(level.generate(three, three + 1, three).cells, level.generate(three + 1, three, three).cells)


@pytest.mark.parametrize("name", LEVELS)
def test_what_the_world_does_to_a_state_stays_in_that_state(name):
    level = make_level(name)
    three = torch.tensor([3] * 5)
    first = level.generate(three, torch.arange(5), three)
    kept = first.clone()
    pointers = [getattr(first, field).data_ptr() for field in RoomsState.names()]
    assert len(set(pointers)) == len(pointers)
    for field in RoomsState.names():
        getattr(first, field).fill_(1)
    assert (three == 3).all()
    assert_equal_rows(level.generate(three, torch.arange(5), three), kept, torch.arange(5))


MISSION = re.compile(r"(?P<verb>go to|pick up|open|put) (?P<what>.+?)(?: next to (?P<beside>.+))?")
DESCRIPTION = re.compile(
    rf"(?P<article>the|a) (?:(?P<colour>{'|'.join(COLOURS)}) )?(?P<kind>door|key|ball|box)(?: (?P<place>.+))?"
)
VERBS = {"go to": GO_TO, "pick up": PICK_UP, "open": OPEN_DOOR, "put": PUT_NEXT}


def described(text: str, state: RoomsState, row: int, width: int) -> list[bool]:
    """Which objects a description means, worked out from its words; its article must fit."""
    words = DESCRIPTION.fullmatch(text)
    agent, heading = state.agent_cell[row].item(), state.heading[row].item()
    forward = ((1, 0), (0, 1), (-1, 0), (0, -1))[heading]
    meant = []
    for kind, colour, cell in zip(
        state.object_kind[row].tolist(),
        state.object_colour[row].tolist(),
        state.object_cell[row].tolist(),
        strict=True,
    ):
        dx, dy = cell % width - agent % width, cell // width - agent // width
        along = dx * forward[0] + dy * forward[1]
        right = -dx * forward[1] + dy * forward[0]
        holds = {
            "in front of you": along > 0,
            "behind you": along < 0,
            "on your right": right > 0,
            "on your left": right < 0,
        }
        meant.append(
            cell != GONE
            and KINDS[kind] == words["kind"]
            and words["colour"] in (None, COLOURS[colour])
            and (words["place"] is None or holds[words["place"]])
        )
    assert words["article"] == ("the" if sum(meant) == 1 else "a")
    return meant


@pytest.mark.parametrize("name", BABYAI)
def test_targets_are_what_the_words_of_the_mission_mean(name):
    level, state = rooms(name, 400)
    for row in range(len(state)):
        words = MISSION.fullmatch(level.missions[state.mission[row]])
        assert state.verb[row] == VERBS[words["verb"]]
        assert described(words["what"], state, row, level.width) == state.is_target[row].tolist()
        second = (
            [False] * level.objects if words["beside"] is None else described(words["beside"], state, row, level.width)
        )
        assert second == state.is_second[row].tolist()
    assert not state.is_wrong.any()


def within_reach(state: RoomsState, row: int, width: int) -> bool:
    """minigrid's check, cell by cell: things block, doors do not."""
    cells, kinds = state.cells[row].tolist(), unpacked()[:, 0].tolist()
    reached, stack = set(), [state.agent_cell[row].item()]
    while stack:
        cell = stack.pop()
        if cell in reached or kinds[cells[cell]] == WALL:
            continue
        reached.add(cell)
        if kinds[cells[cell]] in (EMPTY, DOOR):
            stack += [cell + 1, cell - 1, cell + width, cell - width]
    return all(cell in reached for cell in state.object_cell[row].tolist() if cell != GONE)


@pytest.mark.parametrize("name", [name for name in BABYAI if name not in ("GoToDoor", "OpenDoor")])
def test_everything_is_within_reach_and_the_fast_flood_is_as_good_as_a_slow_one(name, monkeypatch):
    level, state = rooms(name, 150)
    assert all(within_reach(state, row, level.width) for row in range(len(state)))
    if level.may_reject:
        monkeypatch.setattr(
            Reach, "reaches", lambda self, agent_cell, *_: torch.ones_like(agent_cell, dtype=torch.bool)
        )
        _, unchecked = rooms(name, 150)
        monkeypatch.undo()
        cells = unchecked.object_cell.clamp(min=0)
        is_there = unchecked.object_cell != GONE
        is_door = unchecked.object_kind == DOOR
        reach = Reach(level.plan)
        fast = reach.reaches(
            unchecked.agent_cell, reach.of(cells, is_there & ~is_door), reach.of(cells, is_there & is_door)
        )
        slow = [within_reach(unchecked, row, level.width) for row in range(len(unchecked))]
        assert fast.tolist() == slow and 0 < sum(slow) < len(slow)


@pytest.mark.parametrize("name", ["GoTo", "Pickup", "Open"])
def test_doors_join_all_rooms_and_the_last_one_was_needed(name):
    level, state = rooms(name, 150)
    is_door = (state.object_kind == DOOR) & (state.object_cell != GONE)
    for row in range(len(state)):
        x, y = state.object_cell[row, is_door[row]] % 22, state.object_cell[row, is_door[row]] // 22
        pairs = [
            (((y - 1) // 7 * 3 + x // 7 - 1), ((y - 1) // 7 * 3 + x // 7))
            if x % 7 == 0 and y % 7
            else (((y // 7 - 1) * 3 + (x - 1) // 7), (y // 7 * 3 + (x - 1) // 7))
            for x, y in zip(x.tolist(), y.tolist(), strict=True)
        ]
        assert len(set(pairs)) == len(pairs) >= 8
        assert joined(pairs) == 9 and joined(pairs[:-1]) < 9
    codes = state.cells.gather(1, state.object_cell.clamp(min=0))[is_door]
    assert (codes % 3 == CLOSED).all()
    assert (state.object_sound[state.object_kind == DOOR] == SILENT).all()
    assert (state.object_sound[state.object_kind != DOOR] >= 0).all()


def joined(pairs: list[tuple[int, int]]) -> int:
    """How many rooms hang together with the first."""
    rooms, before = {0}, 0
    while len(rooms) > before:
        before = len(rooms)
        rooms |= {room for pair in pairs for room in pair if rooms & set(pair)}
    return len(rooms)


def test_options_make_curricula_of_one_class():
    level, state = rooms("GoToLocal", room_size=5, objects=2)
    assert (level.height, level.objects, level.max_steps) == (5, 2, 25) and state.object_cell.shape[1] == 2
    assert make_level("GoToRedBall", objects=1).missions == ("go to the red ball",)
    assert len(make_level("GoToLocal").missions) == 36 and len(make_level("PutNextLocal").missions) == 306
    level, state = rooms("GoTo", rooms=2, room_size=4, objects=1, doors_open=True)
    assert (level.height, level.width, level.objects, level.max_steps) == (7, 7, 5, 64)
    is_door = (state.object_kind == DOOR) & (state.object_cell != GONE)
    assert (state.cells.gather(1, state.object_cell.clamp(min=0))[is_door] % 3 == OPEN).all()
    assert all("colour" not in text and " door " in text for text in make_level("OpenDoor", select_by="place").missions)
    assert make_level("GoTo", max_steps=99).generate(*[torch.tensor([1])] * 3).max_steps.item() == 99


def test_colours_of_doors_in_open_door_are_those_of_the_east():
    level, state = rooms("OpenDoor", select_by="colour")
    x = state.object_cell.gather(1, state.is_target.to(torch.int64).argmax(dim=1, keepdim=True)) % level.width
    assert (x == 14).all() and (state.is_target.sum(dim=1) == 1).all()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("GoToLocal", {"room_size": 3}, "`room_size` must be a whole number in 4..22; got 3"),
        ("GoToLocal", {"objects": 13}, "`objects` must be a whole number in 1..12 for `room_size` 8; got 13"),
        ("GoToLocal", {"objects": 2.5}, "got 2.5"),
        ("PutNextLocal", {"objects": 1}, "`objects` must be a whole number in 2..12"),
        ("GoToLocal", {"max_steps": True}, "`max_steps` must be"),
        ("GoTo", {"rooms": 4}, "`rooms` must be a whole number in 2..3; got 4"),
        ("GoTo", {"objects": 55}, "`objects` must be a whole number in 1..54"),
        ("OpenDoor", {"select_by": "size"}, "`select_by` must be one of None, 'colour', 'place'; got 'size'"),
        (
            "GoToObj",
            {"objects": 2},
            '"GoToObj" does not take the option "objects" .*; choose one of: max_steps, room_size',
        ),
    ],
)
def test_wrong_options_get_one_sentence(name, options, words):
    with pytest.raises(ConfigError) as caught:
        make_level(name, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("GoToLocal", {"objects": 12}),
        ("GoToLocal", {"room_size": 22, "objects": 30}),
        ("PutNextLocal", {"room_size": 5, "objects": 3}),
        ("GoTo", {"objects": 54}),
        ("GoTo", {"rooms": 2, "room_size": 4, "objects": 2}),
        ("Seek", {"objects": 3}),
        ("Seek", {"size": "medium", "objects": 6}),
        ("SeekSeen", {"size": "large", "objects": 15}),
    ],
)
def test_the_most_crowded_worlds_that_may_be_asked_for_can_be_made(name, options):
    level, state = rooms(name, 64, **options)
    cells = state.object_cell.masked_fill(state.object_cell == GONE, -1).sort(dim=1).values
    assert not ((cells[:, 1:] == cells[:, :-1]) & (cells[:, 1:] >= 0)).any()


def test_an_unknown_level_or_option_gets_a_sentence_that_names_the_nearest():
    with pytest.raises(UnknownNameError, match='did you mean "Seek"'):
        make_level("Sek")
    with pytest.raises(ConfigError, match='did you mean "objects"'):
        make_level("GoToLocal", object=3)
