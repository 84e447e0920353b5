import collections

import pytest
import torch

from kit.rooms.scenes import empty_state, place, random_scenes
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.expert.planner import Planner
from senseweave.envs.rooms.state import CARRIED, GO_TO, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState
from senseweave.envs.rooms.world import World

SIZE = 8
STEPS = {codes.EAST: 1, codes.SOUTH: SIZE, codes.WEST: -1, codes.NORTH: -SIZE}
LIMIT = 100
HEIGHT, WIDTH = 5, 7  # of rooms that are drawn


def scenes(verb, batch=100, *, objects=8, doors=0, walls=0, wrong=0, carrying=False, seed=0):
    """Random rooms with a mission: slot 1 is the target, slot 2 the second, the last `wrong` objects are wrong."""
    state = random_scenes(batch, SIZE, SIZE, objects=objects, doors=doors, walls=walls, seed=seed)
    state.verb[:] = verb
    state.max_steps[:] = LIMIT
    target = objects if verb == OPEN_DOOR else 1
    state.is_target[:, target] = True
    state.is_second[:, 2] = verb == PUT_NEXT
    if wrong:
        state.is_wrong[:, objects - wrong : objects] = True
    if not carrying:
        state = state.rows(state.carried < 0)
    # The world opens with the hands' key only, and the search below knows no locks.
    for row in range(len(state)):
        for slot in range(objects, objects + doors):
            cell = state.object_cell[row, slot]
            opening = codes.OPEN if cell == state.agent_cell[row] else codes.CLOSED
            state.cells[row, cell] = codes.pack(codes.DOOR, int(state.object_colour[row, slot]), opening)
    return state


def search(state, row):
    """The least number of actions to success, by breadth-first search over everything that can change; None if none.

    One target; nothing but it is ever taken up, hands are empty at first, and it is put down for success alone.
    """
    cells = state.cells[row].tolist()
    where = state.object_cell[row].tolist()
    verb = int(state.verb[row])
    target = where[state.is_target[row].nonzero()[0, 0]]
    seconds = [where[slot] for slot in state.is_second[row].nonzero()[:, 0]]
    wrong = {where[slot] for slot in state.is_wrong[row].nonzero()[:, 0]}
    start = (int(state.agent_cell[row]), int(state.heading[row]), frozenset(), False)
    queue, seen = collections.deque([(start, 0)]), {start}
    while queue:
        (cell, heading, opened, holds), steps = queue.popleft()
        front = cell + STEPS[heading]
        kind = cells[front] // 18
        is_empty = kind == codes.EMPTY or (holds and front == target)
        is_shut = kind == codes.DOOR and cells[front] % 3 == codes.CLOSED and front not in opened
        after = [(cell, (heading - 1) % 4, opened, holds), (cell, (heading + 1) % 4, opened, holds)]
        if is_empty or (kind == codes.DOOR and not is_shut):
            after.append((front, heading, opened, holds))
        if is_shut:
            if verb == OPEN_DOOR and front == target:
                return steps + 1
            after.append((cell, heading, opened | {front}, holds))
        if front == target and verb in (PICK_UP, PUT_NEXT) and not holds:
            if verb == PICK_UP:
                return steps + 1
            after.append((cell, heading, opened, True))
        if holds and is_empty and any(abs(front - second) in (1, SIZE) for second in seconds):
            return steps + 1
        if verb == GO_TO:
            after.append((cell, heading, opened, holds))  # "done"
        for node in after:
            faced = node[0] + STEPS[node[1]]
            if verb == GO_TO and faced == target:
                return steps + 1
            if faced not in wrong and node not in seen:
                seen.add(node)
                queue.append((node, steps + 1))
    return None


def play(state: RoomsState, expert: Planner, height=SIZE, width=SIZE):
    """Steps that each environment takes to success; 0 where it fails or the time runs out."""
    state, world = state.clone(), World(height, width)
    taken = torch.zeros(len(state), dtype=torch.int64)
    running = torch.arange(len(state))
    while len(running):
        outcome = world.step(state, expert.act(state))
        taken[running[outcome.reward > 0]] = state.step_count[outcome.reward > 0]
        goes_on = ~(outcome.terminated | outcome.truncated)
        running, state = running[goes_on], state.rows(goes_on)
    return taken


@pytest.fixture(scope="module")
def expert():
    return Planner(SIZE, SIZE)


CASES = {
    "go to, one room": {"verb": GO_TO},
    "go to, through doors": {"verb": GO_TO, "doors": 4, "walls": 10},
    "seek": {"verb": GO_TO, "wrong": 4},
    "pick up": {"verb": PICK_UP, "doors": 3, "walls": 8},
    "put next": {"verb": PUT_NEXT},
    "put next, through doors": {"verb": PUT_NEXT, "doors": 3, "walls": 8},
    "open": {"verb": OPEN_DOOR, "doors": 3, "walls": 6},
}


@pytest.mark.parametrize("name", CASES)
def test_takes_as_few_steps_as_a_search_over_all_that_can_change(name, expert):
    state = scenes(**CASES[name])
    truth = [search(state, row) for row in range(len(state))]
    is_possible = torch.tensor([steps is not None for steps in truth])
    assert is_possible.sum() > 20
    state, expected = state.rows(is_possible), [steps for steps in truth if steps is not None]
    assert play(state, expert).tolist() == expected
    if name != "put next, through doors":  # there a door that is passed twice counts as closed twice
        assert expert.distance(state).tolist() == expected


def drawn(*rows: str) -> RoomsState:
    """A room from a drawing: the target is T, the second S, what must not be faced w, and the agent one of > v < ^.

    o are other balls, # walls, | closed doors, L locked ones (red).
    """
    state = empty_state(1, HEIGHT, WIDTH, sum(character in "TSwo|L" for row in rows for character in row) + 1)
    slot = 1
    for cell, character in enumerate("".join(rows)):
        if character == "#":
            state.cells[0, cell] = codes.WALL_CODE
        elif character in "TSwo":
            place(state, 0, slot, cell, codes.BALL, slot % 6)
            for name, mark in (("is_target", "T"), ("is_second", "S"), ("is_wrong", "w")):
                getattr(state, name)[0, slot] = character == mark
            slot += 1
        elif character in "|L":
            place(state, 0, slot, cell, codes.DOOR, 0, codes.CLOSED if character == "|" else codes.LOCKED)
            slot += 1
        elif character in ">v<^":
            state.agent_cell[0], state.heading[0] = cell, ">v<^".index(character)
    state.max_steps[:] = LIMIT
    return state


def give(state: RoomsState, kind: int, colour: int = 0, is_target: bool = False) -> RoomsState:
    """Puts an object into the agent's hands, in slot 0."""
    state.object_kind[0, 0], state.object_colour[0, 0], state.object_cell[0, 0] = kind, colour, CARRIED
    state.carried[0] = 0
    state.is_target[0, 0] = is_target
    return state


def names(state: RoomsState, count: int) -> list[str]:
    """What the expert does next, so many times."""
    expert, world = Planner(HEIGHT, WIDTH), World(HEIGHT, WIDTH)
    found = []
    for _ in range(count):
        action = expert.act(state)
        world.step(state, action)
        found.append(codes.ACTIONS[int(action)])
    return found


def test_does_not_turn_past_a_wrong_thing():
    state = drawn("#######", "#..w..#", "#T.>..#", "#.....#", "#######")
    assert names(state, 3) == ["right", "right", "forward"]
    state = drawn("#######", "#.....#", "#T.>..#", "#..w..#", "#######")
    assert names(state, 3) == ["left", "left", "forward"]


def test_goes_round_where_every_turn_here_would_face_a_wrong_thing():
    state = drawn("#######", "#..w..#", "#T.>..#", "#..w..#", "#######")
    assert names(state, 4) == ["forward", "left", "left", "forward"]


def test_waits_where_it_faces_the_target_already():
    state = drawn("#######", "#.....#", "#.>T..#", "#.....#", "#######")
    assert names(state.clone(), 1) == ["done"]
    assert Planner(HEIGHT, WIDTH).distance(state).tolist() == [1]


def test_does_nothing_where_there_is_no_plan():
    state = drawn("#######", "#.#...#", "#<#.T.#", "#.#...#", "#######")
    assert names(state.clone(), 1) == ["done"]
    assert Planner(HEIGHT, WIDTH).distance(state).tolist() == [-1]


def test_drops_what_it_holds_beside_its_way():
    state = give(drawn("#######", "#.....#", "#>...T#", "#.....#", "#######"), codes.KEY)
    state.verb[:] = PICK_UP
    assert names(state, 7) == ["forward", "forward", "left", "drop", "right", "forward", "pickup"]
    assert state.carried.tolist() == [1]


def test_unlocks_a_door_with_the_key_in_its_hands_alone():
    rows = ("#######", "#..#..#", "#>.L.T#", "#..#..#", "#######")
    assert names(give(drawn(*rows), codes.KEY), 4) == ["forward", "toggle", "forward", "forward"]
    assert Planner(HEIGHT, WIDTH).distance(give(drawn(*rows), codes.KEY, colour=1)).tolist() == [-1]


def test_puts_a_thing_aside_that_blocks_the_only_way():
    state = drawn("#######", "#.o...#", "#>#...#", "##..T.#", "#######")
    actions = names(state, 5)
    assert actions[:3] == ["left", "forward", "right"]
    assert "pickup" in actions


def test_opens_a_box_that_blocks_the_only_way():
    state = drawn("#######", "#.#...#", "#>o..T#", "#.#...#", "#######")
    state.object_kind[0, 1] = codes.BOX
    state.cells[0, 16] = codes.pack(codes.BOX, 1)
    assert names(state, 2) == ["toggle", "forward"]


def test_takes_the_target_up_to_put_it_next_to_another_of_its_kind():
    state = drawn("#######", "#.....#", "#>T..T#", "#.....#", "#######")
    state.verb[:] = PUT_NEXT
    state.is_second |= state.is_target
    world, expert = World(HEIGHT, WIDTH), Planner(HEIGHT, WIDTH)
    for _ in range(4):
        outcome = world.step(state, expert.act(state))
    assert outcome.reward > 0


@pytest.mark.parametrize("verb", [GO_TO, PICK_UP, PUT_NEXT])
@pytest.mark.parametrize("carrying", [False, True], ids=["empty hands", "full hands"])
def test_solves_crowded_rooms(verb, carrying, expert):
    state = scenes(verb, 100, objects=12, carrying=carrying, seed=12)
    beside = state.agent_cell[:, None] + torch.tensor(list(STEPS.values()))
    state = state.rows((state.cells.gather(1, beside) == codes.EMPTY_CODE).any(dim=1))  # full hands need room to drop
    taken = play(state, expert)
    assert (taken > 0).float().mean() >= 0.99


@pytest.mark.parametrize("verb", [GO_TO, PICK_UP, PUT_NEXT, OPEN_DOOR])
def test_solves_what_random_play_has_left(verb, expert):
    doors = 3 if verb == OPEN_DOOR else 0
    state, world = scenes(verb, 200, doors=doors, seed=5), World(SIZE, SIZE)
    state.max_steps[:] = 300
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        outcome = world.step(state, torch.randint(7, (len(state),), generator=generator))
        state = state.rows(~outcome.terminated)
    lies = ((state.object_cell >= 0) | (state.object_cell == CARRIED)) & (state.is_target | state.is_second)
    state = state.rows(lies.sum(dim=1) == (state.is_target | state.is_second).sum(dim=1))  # boxes may have been opened
    assert (state.carried >= 0).sum() > 5
    assert (play(state, expert) > 0).float().mean() >= 0.99


@pytest.mark.parametrize("name", CASES)
def test_is_a_function_of_the_state_at_any_batch_size(name, expert):
    state = scenes(**CASES[name], batch=40, seed=3)
    actions = expert.act(state)
    assert torch.equal(expert.act(state.clone()), actions)
    for size in (1, 7):
        parts = [expert.act(state.rows(part)) for part in torch.arange(len(state)).split(size)]
        assert torch.equal(torch.cat(parts), actions)


def test_does_not_change_the_state(expert):
    state = scenes(PUT_NEXT, 200, carrying=True, objects=14)
    before = state.clone()
    expert.act(state)
    expert.distance(state)
    assert all(torch.equal(getattr(state, name), getattr(before, name)) for name in RoomsState.names())


def reaches(is_free, start):
    """Free cells that one can walk to."""
    found, queue = {start}, [start]
    while queue:
        cell = queue.pop()
        for step in STEPS.values():
            if is_free[cell + step] and cell + step not in found:
                found.add(cell + step)
                queue.append(cell + step)
    return found


def test_filling_a_cell_that_keeps_ways_never_cuts_a_room_in_two(expert):
    state = random_scenes(60, SIZE, SIZE, objects=10, seed=8)
    is_free = (state.cells == codes.EMPTY_CODE).t()
    keeps = expert.field.keeps_ways(is_free)
    kept = 0
    for row in range(len(state)):
        free = is_free[:, row].tolist()
        for cell in (is_free[:, row] & keeps[:, row]).nonzero()[:, 0].tolist():
            beside = [cell + step for step in STEPS.values() if free[cell + step]]
            free[cell] = False
            if beside:
                assert set(beside) <= reaches(free, beside[0])
                kept += 1
            free[cell] = True
    assert kept > 500
