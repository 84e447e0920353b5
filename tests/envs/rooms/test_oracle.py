"""Rooms against minigrid: the same episodes, the same actions, the same views, rewards and ends."""

import pytest
import torch

from kit.rooms import oracle
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.state import GONE

LEVELS = {
    "GoToRedBallGrey": ("successes", "pickups", "drops"),
    "GoToRedBall": ("successes", "pickups", "drops"),
    "GoToRedBallNoDists": ("successes",),
    "GoToObj": ("successes",),
    "GoToLocal": ("successes", "pickups", "drops", "boxes"),
    "PickupLoc": ("successes", "pickups", "drops", "boxes"),
    "PutNextLocal": ("successes", "pickups", "drops", "boxes"),
    "OpenDoor": ("successes", "doors"),
    "GoToDoor": ("successes", "doors"),
    "UnlockLocal": ("successes", "pickups", "drops", "locks"),
    "Unlock": ("successes", "pickups", "drops", "doors"),
    "Open": ("successes", "pickups", "doors"),
    "Pickup": ("successes", "pickups", "drops", "doors"),
    "GoTo": ("successes", "pickups", "drops", "doors"),
}
"""Level -> what must have happened at least three times, lest the comparison be idle."""


@pytest.mark.parametrize("level", LEVELS)
def test_minigrid_says_the_same_after_every_step(level):
    duel = oracle.Duel(level, rooms=10, limit=64)
    assert duel.play(episodes=30) == []
    assert all(duel.counts[event] >= 3 for event in LEVELS[level]), duel.counts


SLIPS = {
    "a turn": lambda state: state.heading.add_(1).remainder_(4),
    "another mission": lambda state: state.is_target.zero_(),
    "a thing vanished": lambda state: state.object_cell[:, 0].fill_(GONE),
    "a door elsewhere": lambda state: state.cells[:, 9].fill_(codes.pack(codes.DOOR)),
    "less time": lambda state: state.max_steps.sub_(30),
    "a colour": lambda state: state.object_colour.add_(1).remainder_(6),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_noticed(slip):
    duel = oracle.Duel("PickupLoc", rooms=10)
    SLIPS[slip](duel.state)
    assert duel.play(episodes=30)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("level", LEVELS)
def test_minigrid_says_the_same_in_two_thousand_episodes(level):
    duel = oracle.Duel(level, rooms=64, seed=10**6, limit=130)
    assert duel.play(episodes=2000) == []
    assert all(duel.counts[event] >= 100 for event in LEVELS[level]), duel.counts


@pytest.mark.parametrize("rooms", [1, 16, 256])
def test_a_room_lives_alike_in_a_batch_of_any_size(rooms):
    env = oracle.make("PutNextLocal")
    rows = []
    for seed in range(rooms):
        with oracle.quiet():
            env.reset(seed=seed)
        rows.append(oracle.copied(env, slots=10))
    together, alone = oracle.stacked(rows), rows[rooms // 2].clone()
    world, view = oracle.World(8, 8), oracle.SymbolicView(8, 8)
    actions = torch.randint(7, (100, rooms), generator=torch.Generator().manual_seed(1))
    for step in actions:
        outcome = world.step(together, step)
        lonely = world.step(alone, step[rooms // 2 : rooms // 2 + 1])
        assert torch.equal(outcome.reward[rooms // 2], lonely.reward[0])
        assert torch.equal(view(together)[rooms // 2], view(alone)[0])
    row = together.rows(torch.tensor([rooms // 2]))
    assert all(torch.equal(getattr(row, name), getattr(alone, name)) for name in row.names())
