"""What actions do to the agent and to things, case by case."""

import dataclasses

import pytest
import torch

from kit.rooms.by_hand import AHEAD, GREEN, NOTHING_YET, RED, SIDE, at, cell, play, room, without_values, world
from kit.rooms.scenes import empty_state, place
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.codes import (
    BALL,
    BOX,
    CLOSED,
    DONE,
    DOOR,
    DROP,
    FORWARD,
    KEY,
    LEFT,
    LOCKED,
    OPEN,
    PICKUP,
    RIGHT,
    TOGGLE,
    pack,
)
from senseweave.envs.rooms.state import CARRIED, GO_TO, GONE, OPEN_DOOR, PICK_UP, RoomsState
from senseweave.envs.rooms.world import World


def test_turning_goes_around_in_both_directions():
    state = room()
    headings = []
    for action in (LEFT, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, RIGHT):
        play(state, action)
        headings.append(state.heading.item())
    assert headings == [3, 2, 1, 0, 1, 2, 3, 0]
    assert state.agent_cell.item() == cell(3, 3)


@pytest.mark.parametrize(
    ("turns", "x", "y"), [([], 4, 3), ([RIGHT], 3, 4), ([LEFT, LEFT], 2, 3), ([LEFT], 3, 2)], ids="ESWN"
)
def test_forward_goes_one_cell_that_way(turns, x, y):
    state = room()
    play(state, *turns, FORWARD)
    assert state.agent_cell.item() == cell(x, y)


def test_walls_stop_the_agent():
    state = room()
    play(state, *[FORWARD] * 10)
    assert state.agent_cell.item() == cell(6, 3)
    assert state.step_count.item() == 10


@pytest.mark.parametrize("kind", [KEY, BALL, BOX])
def test_things_stop_the_agent(kind):
    state = room((kind, RED, AHEAD))
    play(state, FORWARD)
    assert state.agent_cell.item() == cell(3, 3)
    assert at(state, *AHEAD) == pack(kind, RED)


@pytest.mark.parametrize(("door", "goes_through"), [(OPEN, True), (CLOSED, False), (LOCKED, False)])
def test_only_open_doors_let_the_agent_through(door, goes_through):
    state = room((DOOR, RED, AHEAD, door))
    play(state, FORWARD)
    assert (state.agent_cell.item() == cell(*AHEAD)) == goes_through
    assert at(state, *AHEAD) == pack(DOOR, RED, door)


def test_the_previous_pose_is_that_before_the_action():
    state = room()
    play(state, FORWARD)
    assert state.previous_pose.item() == cell(3, 3) * 4
    play(state, LEFT)
    assert state.previous_pose.item() == cell(4, 3) * 4
    play(state, DONE)
    assert state.previous_pose.item() == cell(4, 3) * 4 + codes.NORTH == state.pose.item()


@pytest.mark.parametrize("kind", [KEY, BALL, BOX])
def test_things_are_picked_up_and_laid_down_elsewhere(kind):
    state = room((BALL, GREEN, (6, 6)), (kind, RED, AHEAD))
    play(state, PICKUP)
    assert (state.carried.item(), state.object_cell[0, 1].item()) == (1, CARRIED)
    assert at(state, *AHEAD) == codes.EMPTY_CODE
    play(state, RIGHT, DROP)
    assert (state.carried.item(), state.object_cell[0, 1].item()) == (-1, cell(3, 4))
    assert at(state, 3, 4) == pack(kind, RED)
    assert state.object_cell[0, 0].item() == cell(6, 6)


def test_full_hands_pick_nothing_up():
    state = room((BALL, GREEN, AHEAD), (KEY, RED, (1, 1)), carried=1)
    play(state, PICKUP)
    assert state.carried.item() == 1
    assert at(state, *AHEAD) == pack(BALL, GREEN)


def test_nothing_is_laid_on_an_occupied_cell():
    state = room((BALL, GREEN, AHEAD), (KEY, RED, (1, 1)), carried=1)
    play(state, DROP)
    assert (state.carried.item(), state.object_cell[0, 1].item()) == (1, CARRIED)
    assert at(state, *AHEAD) == pack(BALL, GREEN)


def test_nothing_is_laid_into_walls_or_open_doors():
    into_door = room((DOOR, GREEN, AHEAD, OPEN), (KEY, RED, (1, 1)), carried=1)
    play(into_door, DROP)
    assert at(into_door, *AHEAD) == pack(DOOR, GREEN, OPEN)
    into_wall = room((KEY, RED, (1, 1)), carried=0)
    play(into_wall, *[FORWARD] * 5, DROP)
    assert at(into_wall, 7, 3) == codes.WALL_CODE
    assert into_door.carried.item() == 1 and into_wall.carried.item() == 0


def test_empty_hands_lay_nothing_down():
    state = room((KEY, RED, (6, 6)))
    play(state, DROP)
    assert at(state, *AHEAD) == codes.EMPTY_CODE
    assert state.object_cell[0, 0].item() == cell(6, 6)


def test_doors_and_walls_are_not_picked_up():
    state = room((DOOR, RED, AHEAD, CLOSED))
    play(state, PICKUP)
    assert state.carried.item() == -1
    assert at(state, *AHEAD) == pack(DOOR, RED, CLOSED)


def test_toggling_opens_and_closes_a_door():
    state = room((DOOR, RED, AHEAD, CLOSED))
    seen = []
    for _ in range(3):
        play(state, TOGGLE)
        seen.append(at(state, *AHEAD))
    assert seen == [pack(DOOR, RED, OPEN), pack(DOOR, RED, CLOSED), pack(DOOR, RED, OPEN)]
    assert state.object_cell[0, 0].item() == cell(*AHEAD)


@pytest.mark.parametrize(
    ("kind", "colour", "opens"), [(KEY, RED, True), (KEY, GREEN, False), (BALL, RED, False), (BOX, RED, False)]
)
def test_a_locked_door_opens_to_the_key_of_its_colour_alone(kind, colour, opens):
    state = room((DOOR, RED, AHEAD, LOCKED), (kind, colour, (1, 1)), carried=1)
    play(state, TOGGLE)
    assert at(state, *AHEAD) == pack(DOOR, RED, OPEN if opens else LOCKED)
    assert state.carried.item() == 1


def test_a_locked_door_does_not_open_to_empty_hands():
    state = room((DOOR, RED, AHEAD, LOCKED), (KEY, RED, (1, 1)))
    play(state, TOGGLE)
    assert at(state, *AHEAD) == pack(DOOR, RED, LOCKED)


def test_an_opened_lock_stays_unlocked():
    state = room((DOOR, RED, AHEAD, LOCKED), (KEY, RED, (1, 1)), carried=1)
    play(state, TOGGLE, TOGGLE)
    assert at(state, *AHEAD) == pack(DOOR, RED, CLOSED)


def test_a_box_that_is_opened_is_gone():
    state = room((BOX, RED, AHEAD), (BOX, RED, (6, 6)))
    play(state, TOGGLE)
    assert at(state, *AHEAD) == codes.EMPTY_CODE
    assert state.object_cell[0].tolist()[:2] == [GONE, cell(6, 6)]
    play(state, FORWARD)
    assert state.agent_cell.item() == cell(*AHEAD)


@pytest.mark.parametrize("kind", [KEY, BALL])
def test_toggling_keys_and_balls_does_nothing(kind):
    state = room((kind, RED, AHEAD))
    play(state, TOGGLE)
    assert at(state, *AHEAD) == pack(kind, RED)


def test_done_does_nothing_but_takes_a_step():
    state = room((BALL, RED, (6, 6)), target=[0])
    before = state.clone()
    assert play(state, DONE) == NOTHING_YET
    changed = {name for name in RoomsState.names() if not torch.equal(getattr(state, name), getattr(before, name))}
    assert changed == {"step_count"}


def test_rooms_beside_each_other_do_not_meet():
    alone = [
        room((BALL, RED, AHEAD), verb=PICK_UP, target=[0], max_steps=9),
        room((BOX, GREEN, AHEAD), verb=PICK_UP, target=[0]),
        room((DOOR, RED, AHEAD, LOCKED), verb=OPEN_DOOR, target=[0]),
        room((KEY, RED, AHEAD), verb=GO_TO, wrong=[0]),
    ]
    together = RoomsState(**{name: torch.cat([getattr(row, name) for row in alone]) for name in RoomsState.names()})
    draw = torch.Generator().manual_seed(0)
    for actions in torch.randint(7, (300, 4), generator=draw):
        outcome = world().step(together, actions)
        for row, state in enumerate(alone):
            expected = world().step(state, actions[row : row + 1])
            for field in dataclasses.fields(expected):
                assert getattr(outcome, field.name)[row] == getattr(expected, field.name)[0]
    for row, state in enumerate(alone):
        for name in RoomsState.names():
            assert torch.equal(getattr(together, name)[row], getattr(state, name)[0]), name


def test_the_tensors_of_a_state_stay_the_same_ones():
    state = room((BALL, RED, AHEAD))
    tensors = {name: getattr(state, name) for name in RoomsState.names()}
    play(state, PICKUP, LEFT, FORWARD, DROP)
    assert all(getattr(state, name) is tensor for name, tensor in tensors.items())
    assert tensors["object_cell"][0, 0] == cell(3, 1)


def test_actions_are_left_alone():
    actions = torch.tensor([FORWARD])
    world().step(room(), actions)
    assert actions.tolist() == [FORWARD]


def test_no_number_depends_on_what_was_drawn_elsewhere():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    play(room((BALL, RED, AHEAD)), *range(7))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("height", "width"), [(5, 9), (9, 5), (3, 3)])
def test_rooms_need_not_be_square(height, width):
    cells = torch.full((height, width), codes.WALL_CODE, dtype=torch.uint8)
    cells[1:-1, 1:-1] = codes.EMPTY_CODE
    state = room()
    state.cells = cells.flatten()[None]
    state.agent_cell.fill_(width + 1)
    world = World(height, width)
    for turn, steps in ((codes.EAST, width - 3), (codes.SOUTH, height - 3)):
        state.heading.fill_(turn)
        for _ in range(steps + 3):
            world.step(state, torch.tensor([FORWARD]))
    assert state.agent_cell.item() == (height - 2) * width + width - 2


def test_a_step_stays_on_the_device_and_asks_for_no_number():
    state = without_values(room((BALL, RED, AHEAD)))
    outcome = World(SIDE, SIDE, device="meta").step(state, torch.zeros(1, dtype=torch.int64, device="meta"))
    assert all(getattr(outcome, field.name).device.type == "meta" for field in dataclasses.fields(outcome))


def test_the_worked_example_of_step_is_what_happens():
    state = empty_state(2, 5, 5, objects=2)
    place(state, 0, 0, 7, KEY, RED)
    place(state, 1, 1, 9, DOOR, RED, LOCKED)
    state.agent_cell[1], state.carried[1] = 8, 0
    state.object_kind[1, 0], state.object_colour[1, 0], state.object_cell[1, 0] = KEY, RED, CARRIED
    state.verb[:] = torch.tensor([PICK_UP, OPEN_DOOR])
    state.is_target[0, 0] = state.is_target[1, 1] = True
    assert state.pose.tolist() == [24, 32]
    assert (state.cells[0, 7].item(), state.cells[1, 9].item(), state.carried_code.tolist()) == (90, 74, [18, 90])
    done = World(5, 5).step(state, torch.tensor([PICKUP, TOGGLE]))
    assert done.terminated.tolist() == [True, True] and (done.reward > 0.9).all()
    assert state.pose.tolist() == [24, 32]
    assert (state.cells[0, 7].item(), state.cells[1, 9].item()) == (18, 72)
    assert (state.object_cell[0, 0].item(), state.object_cell[1, 1].item()) == (CARRIED, 9)
    assert state.carried.tolist() == [0, 0]
