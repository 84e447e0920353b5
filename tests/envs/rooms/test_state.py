"""A batch of rooms as data: rows go out and in, copies share nothing."""

import pytest
import torch

from kit.rooms import oracle
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.state import GONE, RoomsState


@pytest.fixture
def state():
    env = oracle.make("GoToLocal")
    rows = []
    for seed in range(4):
        with oracle.quiet():
            env.reset(seed=seed)
        rows.append(oracle.copied(env, slots=10))
    return oracle.stacked(rows)


def are_equal(one: RoomsState, other: RoomsState) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in RoomsState.names())


def test_there_are_as_many_rooms_as_rows(state):
    assert len(state) == 4
    assert len(state.rows(torch.tensor([1, 3]))) == 2


def test_pose_numbers_cells_and_headings_without_gaps(state):
    state.agent_cell.copy_(torch.tensor([0, 1, 1, 63]))
    state.heading.copy_(torch.tensor([0, 0, 3, 3]))
    assert state.pose.tolist() == [0, 4, 7, 255]


def test_rows_are_chosen_by_number_or_by_mask(state):
    by_number = state.rows(torch.tensor([0, 2]))
    assert are_equal(by_number, state.rows(torch.tensor([True, False, True, False])))
    assert torch.equal(by_number.cells[1], state.cells[2])


def test_rows_and_clones_share_no_memory(state):
    clone, before = state.clone(), state.clone()
    rows = state.rows(torch.arange(4))
    for name in RoomsState.names():
        getattr(state, name).logical_not_()
    assert are_equal(clone, before)
    assert are_equal(rows, before)


def test_writing_rows_changes_those_and_no_others(state):
    before = state.clone()
    state.write(torch.tensor([3, 1]), before.rows(torch.tensor([0, 2])))
    assert are_equal(state, before.rows(torch.tensor([0, 2, 2, 0])))


def test_writing_keeps_the_tensors_themselves(state):
    tensors = {name: getattr(state, name) for name in RoomsState.names()}
    state.write(torch.tensor([0]), state.rows(torch.tensor([1])))
    assert all(getattr(state, name) is tensor for name, tensor in tensors.items())


def test_what_is_carried_has_the_code_of_its_kind_and_colour(state):
    state.carried.copy_(torch.tensor([-1, 0, 2, 1]))
    state.object_kind[:, :3] = torch.tensor([codes.KEY, codes.BOX, codes.BALL])
    state.object_colour[:, :3] = torch.tensor([5, 0, 3])
    expected = [codes.EMPTY_CODE, codes.pack(codes.KEY, 5), codes.pack(codes.BALL, 3), codes.pack(codes.BOX, 0)]
    assert state.carried_code.tolist() == expected


def test_memory_is_counted_per_environment(state):
    per_object = 10 * (5 * 8 + 3)
    assert state.bytes_per_environment == 64 + per_object + 12 * 8
    assert state.rows(torch.tensor([0])).bytes_per_environment == state.bytes_per_environment


def test_slots_that_were_never_used_hold_nothing(state):
    assert (state.object_cell[:, 8:] == GONE).all()
    assert not state.is_target[:, 8:].any()
