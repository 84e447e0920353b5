"""The honest expert solves every level by what has been seen, and what was never seen does not matter to it."""

import pickle

import pytest
import torch

from senseweave.envs.rooms.simulation import EXPERTS
from senseweave.envs.rooms.state import GONE
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import UnknownNameError

GRID, EYES_AND_EARS = ("grid", "instruction"), ("audio", "camera", "instruction")
LEVELS = {
    "GoToLocal": GRID,
    "PutNextLocal": GRID,
    "PickupLoc": GRID,
    "GoToDoor": GRID,
    "OpenDoor": GRID,
    "GoTo": GRID,
    "Pickup": GRID,
    "Open": GRID,
    "Seek": EYES_AND_EARS,
    "SeekSpoken": ("audio", "camera"),
    "SeekGrounded": EYES_AND_EARS,
}


def rooms(level, senses, num_envs=16, **options):
    env = RoomsVectorEnv(level, num_envs, "cpu", senses=senses, **options)
    env.reset(seed=3)
    return env


def play(env, expert):
    """Successes and lengths of the first episode of each environment."""
    b = env.num_envs
    is_over, success, length = torch.zeros(b, dtype=torch.bool), torch.zeros(b), torch.zeros(b)
    for step in range(1, int(env.state.max_steps.max()) + 1):
        _, reward, terminated, truncated, _ = env.step(env.expert_actions(expert))
        ends = (terminated | truncated) & ~is_over
        success[ends], length[ends] = (reward[ends] > 0).float(), float(step)
        is_over |= ends
        if is_over.all():
            break
    return success, length


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_it_solves_every_level_and_takes_longer_than_who_knows_everything(level):
    (success, length), (_, shortest) = (play(rooms(level, LEVELS[level]), expert) for expert in EXPERTS)
    assert success.all()
    assert length.mean() >= 0.99 * shortest.mean()
    assert level not in ("GoTo", "Pickup") or 1.3 * shortest.mean() < length.mean() < 4 * shortest.mean()


def without_the_unseen(env):
    """The same moment in a house that holds nothing but what was seen."""
    seen = env.simulation._honest.belief.seen
    twin = RoomsVectorEnv(env.spec.kwargs["level"], env.num_envs, "cpu", senses=env.senses.names)
    twin.set_state(env.get_state())
    state = twin.state
    is_seen = seen.gather(1, state.object_cell.clamp(min=0)) | (state.object_cell < 0)
    state.object_cell[~is_seen] = GONE
    state.cells = torch.where(seen, state.cells, twin.simulation.level.walls)
    return twin


@pytest.mark.parametrize("level", ["GoTo", "Open", "PutNextLocal"])
def test_what_was_never_seen_does_not_matter(level):
    env = rooms(level, GRID)
    unseen = 0
    for _ in range(25):
        actions = env.expert_actions("honest")
        assert torch.equal(without_the_unseen(env).expert_actions("honest"), actions)
        unseen += int((without_the_unseen(env).state.object_cell == GONE).sum())
        env.step(actions)
    assert unseen > 100


def test_a_thing_that_is_heard_is_not_faced_before_its_look_is_known():
    env = rooms("SeekSeen", EYES_AND_EARS, num_envs=64)
    success, _ = play(env, "honest")
    assert success.all()


def test_the_camera_shows_what_is_ahead_and_no_wall_is_looked_through():
    env = rooms("GoTo", ("camera", "instruction"), num_envs=8)
    env.expert_actions("honest")
    seen, plan = env.simulation._honest.belief.seen, env.simulation.level.plan
    in_room = torch.zeros_like(seen)
    rooms_of = plan.room_cells[None] == env.state.agent_cell[:, None, None]
    for row, room in enumerate(rooms_of.any(dim=2).long().argmax(dim=1).tolist()):
        in_room[row, plan.room_cells[room]] = True
    floor = torch.zeros_like(seen)
    floor[:, plan.room_cells.flatten()] = True
    assert not (seen & floor & ~in_room).any()  # all doors are closed at first
    assert (seen & in_room).sum(dim=1).float().mean() > 4


def test_it_forgets_with_the_episode_and_only_there():
    env = rooms("GoToLocal", GRID, num_envs=4)
    for _ in range(40):
        before = env.state.episode.clone()
        env.step(env.expert_actions("honest"))
        begun = env.state.episode != before
        if begun.any():
            break
    env.expert_actions("honest")
    belief = env.simulation._honest.belief
    assert begun.any() and (belief.visited.sum(dim=1)[begun] == 1).all()
    assert (belief.visited.sum(dim=1)[~begun] > 1).all()


def test_asking_twice_at_one_moment_changes_nothing():
    env = rooms("GoTo", GRID)
    for _ in range(10):
        first = env.expert_actions("honest")
        assert torch.equal(env.expert_actions("honest"), first)
        env.step(first)


@pytest.mark.parametrize("travel", ["get_state", "pickle"])
def test_what_it_found_out_goes_on_where_the_state_goes_on(travel):
    env = rooms("GoTo", GRID)
    for _ in range(12):
        env.step(env.expert_actions("honest"))
    if travel == "pickle":
        twin = pickle.loads(pickle.dumps(env))
    else:
        twin = rooms("GoTo", GRID)
        twin.set_state(env.get_state())
    for _ in range(40):
        actions = env.expert_actions("honest")
        assert torch.equal(twin.expert_actions("honest"), actions)
        env.step(actions)
        twin.step(actions)


def test_a_state_of_before_it_was_asked_is_one_in_which_it_found_out_nothing():
    env = rooms("GoTo", GRID)
    state = env.get_state()
    first = env.expert_actions("honest")
    for _ in range(5):
        env.step(env.expert_actions("honest"))
    env.set_state(state)
    assert torch.equal(env.expert_actions("honest"), first)


def test_where_nothing_can_be_seen_it_knows_everything():
    dark = rooms("Seek", EYES_AND_EARS, outages={"camera": 1.0}, num_envs=32)
    for _ in range(5):
        knows = dark.simulation._knowing_expert.act(dark.state)
        assert torch.equal(dark.expert_actions("honest"), knows)
        dark.step(knows)
    blind = rooms("Seek", ("audio", "instruction"))
    assert torch.equal(blind.expert_actions("honest"), blind.expert_actions("knowing"))


def test_another_expert_is_refused():
    with pytest.raises(UnknownNameError, match='expert "onest" is not known; did you mean "honest"'):
        rooms("GoToLocal", GRID).expert_actions("onest")
