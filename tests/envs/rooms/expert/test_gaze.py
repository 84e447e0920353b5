"""The expert where the target has to be seen: it looks around, one way, and always arrives."""

import pytest
import torch

from kit.rooms.scenes import empty_state, place
from senseweave.envs.rooms import codes
from senseweave.envs.rooms.expert.gaze import Gaze
from senseweave.envs.rooms.expert.planner import Planner
from senseweave.envs.rooms.vector_env import RoomsVectorEnv

SIZE = 9
MIDDLE = 4 * SIZE + 4


def scene(target: int, heading: int = codes.NORTH, wrong: int | None = None):
    """One room, the agent in its middle, and a target somewhere."""
    state = empty_state(1, SIZE, SIZE, 2)
    state.agent_cell[:], state.heading[:] = MIDDLE, heading
    place(state, 0, 0, target, codes.BALL, 0)
    state.is_target[0, 0] = True
    if wrong is not None:
        place(state, 0, 1, wrong, codes.KEY, 1)
        state.is_wrong[0, 1] = True
    return state


def action(state, sees: bool):
    return int(Planner(SIZE, SIZE).act(state, torch.tensor([sees])))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (MIDDLE - 3 * SIZE, [True, False, False, False]),  # three cells to the north
        (MIDDLE - 3 * SIZE + 1, [True, False, False, False]),
        (MIDDLE + 3, [False, True, False, False]),  # east
        (MIDDLE + 2 * SIZE, [False, False, True, False]),
        (MIDDLE - 2, [False, False, False, True]),
        (MIDDLE + 2 + 2 * SIZE, [False, False, False, False]),  # the corners of the view lie beyond 30 degrees
    ],
)
def test_what_stands_ahead_is_in_view_and_what_stands_beside_or_behind_is_not(target, expected):
    headings = (codes.NORTH, codes.EAST, codes.SOUTH, codes.WEST)
    assert [bool(Gaze(SIZE).sees(scene(target, heading))) for heading in headings] == expected


def test_a_target_out_of_sight_is_looked_for_to_the_left_and_one_in_sight_gone_to():
    beside = scene(MIDDLE + 3)
    assert action(beside, sees=False) == codes.RIGHT  # the shortest plan knows where it is
    assert action(beside, sees=True) == codes.LEFT
    assert action(scene(MIDDLE - 3 * SIZE), sees=True) == codes.FORWARD


def test_nobody_turns_to_a_wrong_thing_for_the_sake_of_looking_around():
    assert action(scene(MIDDLE + 3, wrong=MIDDLE - 1), sees=True) == codes.RIGHT


@pytest.mark.parametrize(("level", "options"), [("SeekSeen", {}), ("Seek", {"size": "medium"})])
def test_it_arrives_every_time_and_takes_about_a_step_longer(level, options):
    lengths = {}
    for senses in (("camera", "instruction"), ("instruction",)):
        env = RoomsVectorEnv(level, num_envs=512, device="cpu", senses=senses, camera_size=16, **options)
        env.reset(seed=3)
        is_over, is_solved = torch.zeros(2, 512, dtype=torch.bool)
        steps = torch.zeros(512)
        while not is_over.all():
            _, _, terminated, truncated, infos = env.step(env.expert_actions())
            steps += ~is_over
            is_solved |= infos["is_success"] & ~is_over
            is_over |= terminated | truncated
        assert is_solved.all()
        lengths["camera" in senses] = steps
    assert (lengths[True] >= lengths[False]).all()
    assert 0.3 < (lengths[True] - lengths[False]).mean() < 1.5


def test_where_sound_tells_nothing_is_looked_for():
    envs = [RoomsVectorEnv("SeekHeard", 64, "cpu", senses=senses) for senses in (("camera",), ("instruction",))]
    for env in envs:
        env.reset(seed=0)
    assert torch.equal(*(env.expert_actions() for env in envs))
