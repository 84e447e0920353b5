import minigrid.envs.babyai.core.verifier as minigrids
import numpy as np
import pytest
import torch

from senseweave.envs.rooms import missions
from senseweave.envs.rooms.codes import COLOURS, DOOR, KINDS
from senseweave.envs.rooms.levels.level import THINGS
from senseweave.envs.rooms.levels.registry import LEVELS, make_level
from senseweave.perception.tokenizer import default_tokenizer


class Found(minigrids.ObjDesc):
    """minigrid's description of things, of which there are as many as wanted."""

    def __init__(self, count: int, *words: str | None) -> None:
        super().__init__(*words)
        self.count = count

    def find_matching_objs(self, env: object, use_location: bool = True) -> None:
        self.obj_set = [None] * self.count


@pytest.mark.parametrize("kind", [*THINGS, DOOR])
@pytest.mark.parametrize("colour", [None, 0, 5])
@pytest.mark.parametrize("place", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_things_are_worded_as_minigrid_does(kind, colour, place, count):
    words = (
        KINDS[kind],
        None if colour is None else COLOURS[colour],
        None if place is None else minigrids.LOC_NAMES[place],
    )
    ours = missions.thing("the" if count == 1 else "a", kind, colour, place)
    assert ours == Found(count, *words).surface(None)
    other = Found(1, "box", "grey")
    if kind != DOOR:
        assert missions.pick_up(ours) == minigrids.PickupInstr(Found(count, *words)).surface(None)
        theirs = minigrids.PutNextInstr(Found(count, *words), other).surface(None)
        assert missions.put_next(ours, other.surface(None)) == theirs
    else:
        assert missions.open_up(ours) == minigrids.OpenInstr(Found(count, *words)).surface(None)
    assert missions.go_to(ours) == minigrids.GoToInstr(Found(count, *words)).surface(None)


def test_tokens_are_those_of_the_packaged_tokenizer_in_the_order_of_the_missions():
    texts = ("go to the red ball", "pick up a key behind you", "go to the ringing object")
    ids, was_truncated = missions.mission_tokens(texts)
    assert ids.shape == (3, 48) and ids.dtype == torch.int32 and not was_truncated.any()
    for row, text in zip(ids.numpy(), texts, strict=True):
        np.testing.assert_array_equal(row, default_tokenizer().encode(text)[0])
    _, was_truncated = missions.mission_tokens(texts, max_tokens=4)
    assert was_truncated.dtype == torch.bool and was_truncated.any()
    assert missions.mission_tokens(())[0].shape == (0, 48)


@pytest.mark.parametrize("name", LEVELS)
def test_no_two_missions_of_a_level_are_worded_or_encoded_alike_and_none_is_cut(name):
    texts = make_level(name).missions
    assert len(set(texts)) == len(texts)
    ids, was_truncated = missions.mission_tokens(texts)
    assert len(np.unique(ids.numpy(), axis=0)) == len(texts) and not was_truncated.any()
