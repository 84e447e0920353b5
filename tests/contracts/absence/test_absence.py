"""The absence contract, A1 to A6, as properties of every fusion in float32 and under bfloat16 autocast, eager.

The laws stand in tests/kit/absence_cases.py. Each example is a batch of rows with masks of their own; a fusion joins by
its line in `FUSIONS`. A normal run tries the default fusion with all examples of the profile and every other with a
part of them; `make nightly` tries all with all.
"""

import contextlib
import itertools

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kit import absence_cases
from kit.absence_cases import KINDS, PLACEHOLDERS, ROWS, SENSES, Case, perception_of, readings, violations
from senseweave.perception import FUSIONS, PerceptionConfig
from senseweave.perception.spec import PRESENT

ALL = tuple(KINDS)

every_fusion = pytest.mark.parametrize("fusion", sorted(FUSIONS))
every_type = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


all_examples = [
    pytest.param(fusion, marks=() if fusion == PerceptionConfig().fusion else pytest.mark.nightly)
    for fusion in sorted(FUSIONS)
]
with_all_examples = pytest.mark.parametrize("fusion", all_examples)
others = pytest.mark.parametrize("fusion", sorted(set(FUSIONS) - {PerceptionConfig().fusion}))
some = hypothesis.settings(max_examples=max(20, hypothesis.settings.default.max_examples // 15))


def autocast(dtype: torch.dtype) -> contextlib.AbstractContextManager:
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)


def under(dtype: torch.dtype, function):
    """The function as it runs under autocast, or unchanged."""

    def call(obs):
        with autocast(dtype):
            return function(obs)

    return call


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return Case(
        senses=draw(st.sampled_from(SENSES)),
        weights=draw(st.integers(0, 3)),
        content=draw(st.integers(0, 2**31)),
        mask=draw(st.integers(0, 2 ** (3 * ROWS) - 1)),
        placeholders=tuple(draw(st.sampled_from(PLACEHOLDERS)) for _ in range(3)),
        as_floats=draw(st.booleans()),
        broken=draw(st.booleans()),
        without=draw(st.integers(0, 7)),
        mate=draw(st.integers(0, ROWS - 1)),
    )


def contract_of(fusion: str, dtype: torch.dtype):
    """The contract as a property of one fusion."""

    @given(case=cases())
    def holds(case):
        perception = perception_of(fusion, case.senses, case.weights)
        call, explain = under(dtype, perception), under(dtype, perception.explain)
        assert violations(case, perception, call, explain, alone=dtype == torch.float32) == []

    return holds


def token_rule_of(fusion: str, dtype: torch.dtype):
    """That tokens which do not count do not matter, as a property of one fusion."""

    @given(weights=st.integers(0, 3), seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, -100.0]))
    def holds(weights, seed, scale):
        names = SENSES[seed % len(SENSES)]
        network = perception_of(fusion, names, weights).fusion
        assert absence_cases.token_faults(under(dtype, network), names, seed, scale) == []

    return holds


@pytest.mark.timeout(3600)  # 5,000 examples in a nightly run
@every_type
@with_all_examples
def test_the_absence_contract_holds(fusion, dtype):
    contract_of(fusion, dtype)()


@every_type
@others
def test_the_absence_contract_holds_in_some_examples(fusion, dtype):
    some(contract_of(fusion, dtype))()


@pytest.mark.timeout(3600)  # 5,000 examples in a nightly run
@every_type
@with_all_examples
def test_tokens_that_do_not_count_do_not_matter(fusion, dtype):
    token_rule_of(fusion, dtype)()


@every_type
@others
def test_tokens_that_do_not_count_do_not_matter_in_some_examples(fusion, dtype):
    some(token_rule_of(fusion, dtype))()


@every_type
@every_fusion
def test_leaving_out_keys_equals_present_0_for_every_subset(fusion, dtype):
    perception = perception_of(fusion, ALL, 1)
    call = under(dtype, perception)
    obs = readings(ALL, 11)
    for kept in itertools.chain.from_iterable(itertools.combinations(ALL, k) for k in range(len(ALL))):
        mask = torch.tensor([name in kept for name in ALL]).expand(ROWS, -1)
        masked = call(obs | {PRESENT: mask})
        missing = call({name: obs[name] for name in kept} | ({} if kept else {PRESENT: mask}))
        assert torch.equal(masked.embedding, missing.embedding), kept
        assert torch.equal(missing.present, mask) and not missing.non_finite.any()


@every_type
@every_fusion
@pytest.mark.parametrize("layers", [1, 2])
def test_all_absent_is_a_learned_state_with_finite_gradients(fusion, dtype, layers):
    embeddings = []
    for weights in range(3):
        perception = perception_of(fusion, ALL, weights, layers)
        obs = {name: torch.full_like(reading.float(), torch.nan) for name, reading in readings(ALL, 3).items()}
        state = under(dtype, perception)(obs)
        assert state.non_finite.all() and not state.present.any()
        assert not any(gate.any() for gate in state.gates.values())
        assert torch.isfinite(state.embedding).all()
        assert torch.equal(state.embedding, state.embedding[:1].expand_as(state.embedding))
        assert absence_cases.gradient_faults(perception, state.embedding, {}, ALL, state.present) == []
        gradients = [parameter.grad for parameter in perception.fusion.parameters() if parameter.grad is not None]
        assert sum(gradient.abs().sum() for gradient in gradients) > 0
        encoders = [parameter.grad for parameter in perception.encoders.parameters() if parameter.grad is not None]
        assert not any(gradient.any() for gradient in encoders)
        embeddings.append(state.embedding[0])
    assert not torch.equal(embeddings[0], embeddings[1]) and not torch.equal(embeddings[1], embeddings[2])


@every_type
@every_fusion
def test_some_steps_of_learning_with_absences_keep_everything_finite(fusion, dtype):
    perception = absence_cases.perception_of.__wrapped__(fusion, ALL, 5)
    optimizer = torch.optim.Adam(perception.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for step in range(8):
        here = torch.rand(ROWS, len(ALL), generator=generator) < 0.4
        obs = readings(ALL, step, as_floats=True)
        obs = {name: absence_cases.placed(obs[name], ~here[:, i], torch.inf) for i, name in enumerate(ALL)}
        loss = under(dtype, perception)(obs).embedding.float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.isfinite(parameter).all() for parameter in perception.parameters())


@every_fusion
def test_a_row_is_the_same_alone_and_in_a_batch_of_eight(fusion):
    perception = perception_of(fusion, ALL, 2)
    obs = readings(ALL, 21, rows=8)
    obs[PRESENT] = torch.rand(8, len(ALL), generator=torch.Generator().manual_seed(2)) < 0.7
    together = perception(obs).embedding
    for row in range(8):
        alone = perception(absence_cases.rows_of(obs, row)).embedding[0]
        torch.testing.assert_close(alone, together[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sound", ["tone", "silence", "constant", "click"])
def test_a_row_of_regular_sound_is_the_same_alone_and_in_a_batch(sound):
    perception = perception_of("gated_cross_attention", ("audio", "camera", "vector"), 0)
    time = torch.arange(400) / 8000
    waves = {
        "tone": torch.sin(2 * torch.pi * 440 * time),
        "silence": torch.zeros(400),
        "constant": torch.ones(400),
        "click": torch.eye(400)[200],
    }
    audio = waves[sound].expand(8, 2, 400).clone()
    together = perception({"audio": audio}).embedding
    torch.testing.assert_close(perception({"audio": audio[:1]}).embedding[0], together[0], rtol=1e-5, atol=1e-5)


@every_fusion
def test_the_length_of_absent_sound_does_not_matter(fusion):
    perception = perception_of(fusion, ("audio", "camera", "vector"), 0)
    obs = readings(("audio", "camera", "vector"), 4)
    obs[PRESENT] = torch.tensor([[0, 1, 1]]).expand(ROWS, -1)
    expected = perception(obs).embedding
    for length in (0, 200, 10**6, -7):
        lengths = torch.full((ROWS,), length)
        assert torch.equal(perception(obs | {"audio_length": lengths}).embedding, expected)


@every_type
@every_fusion
def test_explain_gives_maps_for_no_less_than_it_promises(fusion, dtype):
    perception = perception_of(fusion, ALL, 1)
    obs = readings(ALL, 8)
    explained, state = under(dtype, perception.explain)(obs), under(dtype, perception)(obs)
    assert state.attention is None
    assert torch.equal(explained.embedding, state.embedding)
    for name, weights in explained.attention.items():
        tokens = {"audio": 3, "camera": 4, "depth": 4, "grid": 9, "instruction": 6, "vector": 1}[name]
        assert weights.shape == (ROWS, weights.shape[1], tokens)
    if fusion == PerceptionConfig().fusion:
        assert set(explained.attention) == set(ALL)
        assert all(weights.shape[1] == perception.config.latents for weights in explained.attention.values())


@every_fusion
def test_present_of_any_number_type_is_the_same(fusion):
    perception = perception_of(fusion, ALL, 0)
    mask = torch.tensor([[1, 0, 1, 0, 1, 1]]).expand(ROWS, -1)
    obs = readings(ALL, 5)
    expected = perception(obs | {PRESENT: mask.bool()}).embedding
    for dtype in (torch.int8, torch.int64, torch.uint8, torch.float32, torch.float64):
        assert torch.equal(perception(obs | {PRESENT: mask.to(dtype)}).embedding, expected)
