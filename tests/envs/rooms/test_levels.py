import pytest
import torch

from senseweave.envs.rooms.codes import EMPTY_CODE, SILENT, SIZES, SOUNDS, WALL_CODE
from senseweave.envs.rooms.levels.levels import LEVELS, make_level
from senseweave.envs.rooms.missions import VOICES
from senseweave.envs.rooms.state import GONE, RoomsState
from senseweave.perception.errors import ConfigError, UnknownNameError


def rooms(name: str, count: int = 300, seed: int = 5, **options: object) -> tuple[object, RoomsState]:
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


@pytest.mark.parametrize("name", LEVELS)
def test_a_row_depends_on_nothing_but_its_seed_number_and_episode(name):
    level = make_level(name)
    count = 600
    seed, index, episode = torch.arange(count) % 3, torch.arange(count), torch.arange(count) % 5
    whole = level.generate(seed, index, episode)
    for part in (torch.tensor([17]), torch.arange(100, 116), torch.arange(0, count, 7)):
        alone = level.generate(seed[part], index[part], episode[part])
        for field in RoomsState.names():
            assert torch.equal(getattr(alone, field), getattr(whole, field)[part]), field


def test_an_unknown_level_or_option_gets_a_sentence_that_names_the_nearest():
    with pytest.raises(UnknownNameError, match='did you mean "Seek"'):
        make_level("Sek")
    with pytest.raises(ConfigError, match='did you mean "objects"'):
        make_level("GoToLocal", object=3)
