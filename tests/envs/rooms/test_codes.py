"""The numbers of things are minigrid's, and packing loses nothing."""

import torch
from minigrid.core.actions import Actions
from minigrid.core.constants import COLOR_TO_IDX, DIR_TO_VEC, OBJECT_TO_IDX, STATE_TO_IDX

from senseweave.envs.rooms import codes
from senseweave.envs.rooms.world import HEADINGS


def test_kinds_colours_and_states_are_minigrids():
    assert {kind: number for number, kind in enumerate(codes.KINDS)} == OBJECT_TO_IDX
    assert {colour: number for number, colour in enumerate(codes.COLOURS)} == COLOR_TO_IDX
    states = {"open": codes.OPEN, "closed": codes.CLOSED, "locked": codes.LOCKED}
    assert states == STATE_TO_IDX


def test_actions_and_headings_are_minigrids():
    assert [action.name for action in Actions] == list(codes.ACTIONS)
    assert [tuple(int(part) for part in vector) for vector in DIR_TO_VEC] == [HEADINGS[h] for h in range(4)]
    assert (codes.EAST, codes.SOUTH, codes.WEST, codes.NORTH) == (0, 1, 2, 3)


def test_every_code_unpacks_to_what_was_packed():
    table = codes.unpacked()
    seen = set()
    for kind in range(len(codes.KINDS)):
        for colour in range(len(codes.COLOURS)):
            for state in range(3):
                code = codes.pack(kind, colour, state)
                assert table[code].tolist() == [kind, colour, state]
                seen.add(code)
    assert seen == set(range(198))


def test_sizes_bound_the_symbolic_view():
    largest = codes.unpacked()[:198].amax(dim=0)
    assert tuple((largest + 1).tolist()) == codes.SIZES


def test_what_nothing_is_known_of_is_zeros():
    assert codes.unpacked()[0].tolist() == [0, 0, 0]
    assert codes.pack(codes.UNSEEN) == 0


def test_named_codes_are_an_empty_cell_and_a_grey_wall():
    table = codes.unpacked()
    assert table[codes.EMPTY_CODE].tolist() == [OBJECT_TO_IDX["empty"], 0, 0]
    assert table[codes.WALL_CODE].tolist() == [OBJECT_TO_IDX["wall"], COLOR_TO_IDX["grey"], 0]
    assert table.dtype == torch.uint8
