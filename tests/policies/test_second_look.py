"""A second look: what a memory recalls attends to the senses again, and an absent sense has no part in it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from senseweave.perception import Camera, Instruction, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError
from senseweave.policies.policy import SECOND_LOOK_WIDTH, SenseMlpPolicy, SensePolicy
from senseweave.policies.presets import policy_settings
from senseweave.policies.second_look import Percept, SecondLook

SPEC = Spec(camera=Camera(16, 16), instruction=Instruction(6, 20), touch=Vector(2))
CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
ROWS, KNOWN, OUT = 5, 7, 3


def observation(rows=ROWS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "camera": torch.randint(256, (rows, 16, 16, 3), generator=generator, dtype=torch.uint8),
        "instruction": torch.randint(1, 20, (rows, 6), generator=generator, dtype=torch.int32),
        "touch": torch.randn(rows, 2, generator=generator),
        "present": torch.ones(rows, 3, dtype=torch.int8),
    }


def eyes():
    """A perception and a second look, with weights that shut no gate."""
    torch.manual_seed(0)
    look = SecondLook(SPEC.names, width=16, heads=2, latents=2, known=KNOWN, out=OUT)
    with torch.no_grad():
        for part in look.parameters():
            part.add_(0.1 * torch.randn_like(part))
    return Perception(SPEC, CONFIG), look, torch.randn(ROWS, KNOWN)


def seen(perception, look, known, obs):
    return look(known, perception(obs, with_tokens=True).tokens)


@pytest.mark.parametrize("sense", SPEC.names)
def test_every_sense_is_looked_at_and_an_absent_one_leaves_no_trace(sense):
    perception, look, known = eyes()
    obs, place = observation(), SPEC.names.index(sense)
    other = obs | {sense: observation(seed=1)[sense]}
    assert (seen(perception, look, known, obs) != seen(perception, look, known, other)).any(dim=1).all()
    absent = obs["present"].clone()
    absent[:, place] = 0
    placeholder = torch.full_like(obs[sense], torch.nan if obs[sense].is_floating_point() else 7)
    without = seen(
        perception, look, known, {name: part for name, part in obs.items() if name != sense and name != "present"}
    )
    for content in (obs[sense], other[sense], placeholder):
        assert torch.equal(seen(perception, look, known, obs | {sense: content, "present": absent}), without)


def test_with_nothing_present_there_is_something_finite_with_finite_gradients():
    perception, look, known = eyes()
    out = seen(perception, look, known, observation() | {"present": torch.zeros(ROWS, 3)})
    out.sum().backward()
    assert out.isfinite().all()
    assert all(part.grad is None or part.grad.isfinite().all() for part in look.parameters())


def test_what_is_known_steers_what_is_seen():
    perception, look, known = eyes()
    obs = observation()
    assert (seen(perception, look, known, obs) != seen(perception, look, known + 1.0, obs)).any(dim=1).all()


def test_rows_do_not_touch_each_other():
    perception, look, known = eyes()
    obs = observation()
    changed = {name: part.clone() for name, part in obs.items()}
    changed["camera"][1:] = 255 - changed["camera"][1:]
    assert torch.equal(seen(perception, look, known, obs)[0], seen(perception, look, known, changed)[0])


def test_percepts_join_as_one_batch():
    perception, _, _ = eyes()
    obs = observation()
    parts = []
    for rows in (slice(0, 2), slice(2, None)):
        state = perception({name: part[rows] for name, part in obs.items()}, with_tokens=True)
        parts.append(Percept(state.embedding, state.tokens))
    whole = perception(obs, with_tokens=True)
    joined = Percept.cat(parts)
    torch.testing.assert_close(joined.embedding, whole.embedding, rtol=1e-5, atol=1e-5)
    for name, group in whole.tokens.items():
        torch.testing.assert_close(joined.tokens[name].tokens, group.tokens, rtol=1e-5, atol=1e-5)
        assert torch.equal(joined.tokens[name].mask, group.mask)


def test_a_state_holds_tokens_where_they_are_asked_for_and_nowhere_else():
    perception, _, _ = eyes()
    obs = observation()
    assert perception(obs).tokens is None and perception.explain(obs).tokens is None
    tokens = perception(obs, with_tokens=True).tokens
    assert list(tokens) == list(SPEC.names) and tokens["touch"].tokens.shape == (ROWS, 1, 16)


def policy_of(memory, actions=4):
    torch.manual_seed(0)
    kwargs = policy_settings(SPEC, CONFIG) | {"net_arch": [8], "memory": memory}
    policy = SensePolicy(SPEC.space(), spaces.Discrete(actions), lambda _: 1e-3, **kwargs).eval()
    with torch.no_grad():
        for part in policy.parameters():
            part.add_(0.05 * torch.randn_like(part))
    return policy


def test_what_was_perceived_before_changes_what_is_seen_now():
    """The heads see the first look, the recollection, and the second look, which depends on the past alone here."""
    policy, now = policy_of("looking_gru"), observation()
    told = []
    for past in (observation(seed=1), observation(seed=2)):
        both = {name: torch.cat([past[name], now[name]]) for name in now}
        starts = torch.zeros(2, ROWS, dtype=torch.bool)
        with torch.no_grad():
            judgement, _ = policy.judge(policy.perceive(both), policy.first_state(ROWS), starts)
        told.append(judgement.features[ROWS:])
    assert told[0].shape == (ROWS, 16 + 16 + SECOND_LOOK_WIDTH)
    assert torch.equal(told[0][:, :16], told[1][:, :16])  # the first look does not know the past
    assert (told[0][:, 32:] != told[1][:, 32:]).any(dim=1).all()


def test_step_by_step_it_is_what_the_whole_sequence_gives():
    policy = policy_of("looking_gru")
    steps = [{name: part.numpy() for name, part in observation(3, seed).items()} for seed in range(4)]
    state, chosen = None, []
    for number, step in enumerate(steps):
        actions, state = policy.predict(step, state, np.full(3, number == 0), deterministic=True)
        chosen.append(actions)
    whole = {name: torch.cat([torch.as_tensor(step[name]) for step in steps]) for name in steps[0]}
    starts = torch.zeros(4, 3, dtype=torch.bool)
    with torch.no_grad():
        judgement, last = policy.judge(policy.perceive(whole), policy.first_state(3), starts)
    assert np.array_equal(np.concatenate(chosen), judgement.logits.argmax(dim=1).numpy())
    np.testing.assert_allclose(state[0][0], last.numpy(), rtol=1e-4, atol=1e-5)


def test_a_memory_that_looks_needs_senses_to_look_at():
    with pytest.raises(ConfigError, match='"looking_gru" looks at the senses of a PerceptionExtractor; got Flatten'):
        SenseMlpPolicy(spaces.Box(-1, 1, (3,)), spaces.Discrete(2), lambda _: 1e-3, memory="looking_gru")
