import collections

import pytest
import torch

from rooms_scenes import random_scenes
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.expert import Expert
from senseweave.envs.rooms.state import GO_TO, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState
from senseweave.envs.rooms.world import World

SIZE = 8
STEPS = {codes.EAST: 1, codes.SOUTH: SIZE, codes.WEST: -1, codes.NORTH: -SIZE}
LIMIT = 100


def scenes(verb, batch=150, *, objects=8, doors=0, walls=0, wrong=0, carrying=False, seed=0):
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


def play(state: RoomsState, expert: Expert, height=SIZE, width=SIZE):
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
    return Expert(SIZE, SIZE)


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
    is_possible = torch.tensor([steps is not None and steps < LIMIT for steps in truth])
    assert is_possible.float().mean() > 0.3
    expected = torch.tensor([steps or 0 for steps in truth])
    assert play(state, expert)[is_possible].tolist() == expected[is_possible].tolist()
    assert expert.distance(state)[is_possible].tolist() == expected[is_possible].tolist()
