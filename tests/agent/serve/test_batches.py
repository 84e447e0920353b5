"""Several clients in one forward pass: each gets what it would get alone, from a memory of its own."""

import asyncio

import numpy as np
import pytest

from kit.live.serving import rememberer
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.serve.batches import WARM_UP_PASSES, Batches, Remembered
from senseweave.agent.serve.serve import decide_with
from senseweave.envs import make
from senseweave.envs.live.remote.messages import Asked
from senseweave.perception.errors import EnvironmentFault

__all__ = ["rememberer"]


@pytest.fixture(scope="module")
def loaded(rememberer):
    run = RunDirectory.open(rememberer)
    env = make("senseweave/Seek-v0")
    policy, _ = run.reader.read(run.path, run.config, run.config.spec.space(), env.action_space)
    policy.set_training_mode(False)
    yield policy, run.config.spec, env
    env.close()


def lived(env, seed, steps):
    """What an agent that walks forward observes."""
    observation, _ = env.reset(seed=seed)
    seen = [observation]
    for step in range(steps - 1):
        observation, _, terminated, truncated, _ = env.step(step % 3)
        if terminated or truncated:
            observation, _ = env.reset()
        seen.append(observation)
    return seen


def answers_of(policy, spec, lives, *, together):
    """The gates and the memory of each client after each of its steps; all ask at one moment, or one after another."""

    async def ask():
        told: list[list] = [[] for _ in lives]
        async with Batches(decide_with(policy, is_greedy=True), spec) as batches:
            own = [Remembered() for _ in lives]

            async def one(i, step):
                asked = Asked(step, step == 0, lives[i][step], dict.fromkeys(spec, 0.0))
                answer = await batches.ask(asked, own[i])
                told[i].append((int(answer.action), *answer.gates.values(), *own[i].memory[0].ravel()))

            for step in range(len(lives[0])):
                if together:
                    await asyncio.gather(*(one(i, step) for i in range(len(lives))))
                else:
                    for i in range(len(lives)):
                        await one(i, step)
            assert batches.largest == (len(lives) if together else 1)
            assert batches.answers == len(lives) * len(lives[0])
        return np.array(told)

    return asyncio.run(ask())


def test_clients_in_one_pass_get_the_answers_that_each_gets_alone(loaded):
    policy, spec, env = loaded
    lives = [lived(env, seed, 12) for seed in (1, 2, 3)]
    together = answers_of(policy, spec, lives, together=True)
    alone = np.concatenate([answers_of(policy, spec, [life], together=True) for life in lives])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(together[:, :, 0], alone[:, :, 0])
    np.testing.assert_array_equal(answers_of(policy, spec, lives, together=False), alone)
    assert abs(together[0] - together[1]).max() > 0.1, "their lives differ, and so does what they remember"


def test_an_episode_that_begins_forgets_what_was(loaded):
    policy, spec, env = loaded
    life = lived(env, 1, 4)

    async def last(starts):
        own = Remembered()
        async with Batches(decide_with(policy, is_greedy=True), spec) as batches:
            for step, is_first in enumerate(starts):
                await batches.ask(Asked(step, is_first, life[min(step, 3)], dict.fromkeys(spec)), own)
        return own.memory[0]

    anew = asyncio.run(last([True, False, False, True]))
    np.testing.assert_array_equal(anew, asyncio.run(last([False, True, True, True])))
    assert abs(anew - asyncio.run(last([True, False, False, False]))).max() > 0.01


def test_a_policy_that_fails_for_one_client_answers_the_others(loaded):
    policy, spec, env = loaded
    good, bad = lived(env, 1, 1)[0], lived(env, 2, 1)[0]
    own = decide_with(policy, is_greedy=True)

    def decide(batch, memory, starts):
        if any(np.array_equal(row, bad["camera"]) for row in batch["camera"]):
            raise FloatingPointError("overflow")
        return own(batch, memory, starts)

    async def both():
        async with Batches(decide, spec) as batches:
            asked = [Asked(0, True, observation, dict.fromkeys(spec)) for observation in (good, bad, good)]
            answers = [batches.ask(one, Remembered()) for one in asked]
            return batches.passes, await asyncio.gather(*answers, return_exceptions=True)

    _, (first, failed, third) = asyncio.run(both())
    assert first.action == third.action and first.gates == pytest.approx(third.gates, abs=1e-6)
    assert isinstance(failed, EnvironmentFault) and "FloatingPointError: overflow" in str(failed)


def test_a_policy_is_warm_before_anybody_asks(loaded):
    policy, spec, _ = loaded
    calls = []
    own = decide_with(policy, is_greedy=True)
    batches = Batches(lambda *asked: calls.append(1) or own(*asked), spec)
    assert len(calls) == WARM_UP_PASSES and batches.memory == ((1, 1, 128),) and batches.answers == 0
