import pytest
import torch
from minigrid.utils.baby_ai_bot import BabyAIBot

from kit.rooms.oracle import copied, make, quiet, stacked
from senseweave.envs.rooms.expert.planner import Planner
from senseweave.envs.rooms.levels.registry import LEVELS, make_level
from senseweave.envs.rooms.world import World


def play(state, height, width):
    """Steps that each environment takes to success; 0 where it fails or the time runs out."""
    expert, world = Planner(height, width), World(height, width)
    taken = torch.zeros(len(state), dtype=torch.int64)
    running = torch.arange(len(state))
    while len(running):
        outcome = world.step(state, expert.act(state))
        taken[running[outcome.reward > 0]] = state.step_count[outcome.reward > 0]
        goes_on = ~(outcome.terminated | outcome.truncated)
        running, state = running[goes_on], state.rows(goes_on)
    return taken


def episodes(level, count, seed):
    index = torch.arange(count)
    return level.generate(torch.full_like(index, seed), index, torch.zeros_like(index))


def success(name, count, seed=0):
    level = make_level(name)
    return (play(episodes(level, count, seed), level.height, level.width) > 0).float().mean()


@pytest.mark.parametrize("name", LEVELS)
def test_solves_every_level(name):
    assert success(name, 150) >= 0.99


@pytest.mark.nightly
@pytest.mark.parametrize("name", LEVELS)
def test_solves_every_level_in_many_episodes(name):
    assert success(name, 5000, seed=1) >= 0.99


def beside_the_bot(name, count):
    """Steps of the expert and of BabyAI's bot in minigrid's own episodes, as two lists."""
    env, rows, theirs = make(name), [], []
    for seed in range(count):
        with quiet():
            env.reset(seed=seed)
        rows.append(copied(env, 40))
        bot, action, is_over = BabyAIBot(env), None, False
        while not is_over:
            action = bot.replan(action)
            _, _, terminated, truncated, _ = env.step(action)
            is_over = terminated or truncated
        theirs.append(env.step_count)
    return play(stacked(rows), env.height, env.width).tolist(), theirs


@pytest.mark.parametrize("name", ["GoToRedBall", "GoToLocal", "PickupLoc", "PutNextLocal", "OpenDoorColor"])
def test_needs_no_more_steps_than_the_bot_of_babyai(name):
    ours, theirs = beside_the_bot(name, 40)
    assert min(ours) > 0
    assert sum(ours) <= sum(theirs)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["GoToLocal", "PickupLoc", "PutNextLocal", "Open", "GoTo", "Pickup"])
def test_needs_no_more_steps_than_the_bot_in_many_episodes(name):
    ours, theirs = beside_the_bot(name, 200)
    assert min(ours) > 0
    assert sum(ours) <= sum(theirs)
