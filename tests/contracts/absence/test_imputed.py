"""The absence contract where absent senses are imputed: their content still does not matter, and they stay absent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import absence_cases
from kit.absence_cases import KINDS, PLACEHOLDERS, ROWS, SENSES, Case, perception_of, readings, violations
from senseweave.perception import (
    FUSIONS,
    Perception,
    PerceptionConfig,
    Spec,
    SpecError,
    TokenGroup,
    UnknownNameError,
)
from senseweave.perception.config import IMPUTATIONS
from senseweave.perception.objectives import OBJECTIVES
from senseweave.perception.objectives.imputation import Generated, Imputer
from senseweave.perception.spec import PRESENT

ALL = tuple(KINDS)
NAMES = sorted(name for name in IMPUTATIONS if name != "none")
every_fusion = pytest.mark.parametrize("fusion", sorted(FUSIONS))
every_imputation = pytest.mark.parametrize("imputation", NAMES)


def test_whatever_imputes_has_an_objective_of_its_name():
    assert set(NAMES) <= set(OBJECTIVES)


@pytest.mark.timeout(3600)  # 5,000 examples in a nightly run
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@every_imputation
@every_fusion
def test_the_absence_contract_holds_with_imputation(fusion, imputation, dtype):
    @settings(max_examples=max(1, settings().max_examples // 12))
    @given(
        case=st.builds(
            Case,
            senses=st.sampled_from(SENSES),
            weights=st.integers(0, 1),
            content=st.integers(0, 2**31),
            mask=st.integers(0, 2 ** (3 * ROWS) - 1),
            placeholders=st.tuples(*[st.sampled_from(PLACEHOLDERS)] * 3),
            as_floats=st.booleans(),
            broken=st.booleans(),
            without=st.integers(0, 7),
            mate=st.integers(0, ROWS - 1),
        )
    )
    def holds(case):
        perception = perception_of(fusion, case.senses, case.weights, imputation=imputation)

        def under(function):
            def call(obs):
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                    return function(obs)

            return call

        broken = violations(
            case, perception, under(perception), under(perception.explain), alone=dtype == torch.float32
        )
        assert broken == []

    holds()


@every_imputation
@every_fusion
def test_where_all_is_absent_nothing_is_imputed(fusion, imputation):
    perception = perception_of(fusion, ALL, 1, imputation=imputation)
    obs = readings(ALL, 3) | {PRESENT: torch.zeros(ROWS, len(ALL))}
    state = perception(obs, with_tokens=True)
    assert not any(group.mask.any() for group in state.tokens.values())
    assert not any(gate.any() for gate in state.gates.values())
    assert absence_cases.gradient_faults(perception, state.embedding, {}, ALL, state.present) == []


@every_imputation
@every_fusion
def test_the_fusion_gets_tokens_of_an_absent_sense_that_depend_on_those_that_are_here(fusion, imputation):
    perception = perception_of(fusion, ALL, 1, imputation=imputation)
    mask = torch.ones(ROWS, len(ALL))
    mask[:, 1] = 0  # the camera
    one, other = (perception(readings(ALL, seed) | {PRESENT: mask}, with_tokens=True) for seed in (1, 2))
    for state in (one, other):
        assert state.tokens["camera"].available.all() and not state.present[:, 1].any()
        assert not state.gates["camera"].any()
    assert ((one.tokens["camera"].tokens - other.tokens["camera"].tokens).abs().amax(dim=(1, 2)) > 1e-3).all()
    with torch.no_grad():
        for weight in perception.imputer.parameters():
            weight.add_(0.1)
        moved = perception(readings(ALL, 1) | {PRESENT: mask})
        whole = perception(readings(ALL, 1))
    perception_of.cache_clear()
    assert ((moved.embedding - one.embedding).abs().amax(dim=1) > 1e-4).all()
    again = perception_of(fusion, ALL, 1, imputation=imputation)(readings(ALL, 1))
    assert torch.equal(whole.embedding, again.embedding)  # nothing is absent, nothing is imputed


@every_imputation
def test_a_cut_instruction_changes_nothing_but_the_work(imputation):
    perception = perception_of("gated_cross_attention", ALL, 2, imputation=imputation)
    obs = readings(ALL, 5)
    obs[PRESENT] = torch.tensor([[1, 0, 1, 1, 1, 0], [1, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0]])
    whole, cut = perception.explain(obs), perception.explain(obs | {"instruction": obs["instruction"][:, :4]})
    torch.testing.assert_close(whole.embedding, cut.embedding, rtol=1e-5, atol=1e-5)
    assert whole.attention["instruction"].shape[-1] == 6 and cut.attention["instruction"].shape[-1] == 4


def test_without_imputation_the_network_is_what_it_was():
    torch.manual_seed(0)
    plain = Perception(Spec(**KINDS), PerceptionConfig(**absence_cases.SMALL))
    assert plain.imputer is None and not any("imputer" in name for name in plain.state_dict())
    torch.manual_seed(0)
    imputing = Perception(Spec(**KINDS), PerceptionConfig(imputation="translation", **absence_cases.SMALL))
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, imputing.state_dict()[name]), name
    old = {key: value for key, value in plain.config.to_json().items() if key != "imputation"}
    assert PerceptionConfig.from_json(old) == plain.config


@every_imputation
def test_an_imputing_perception_is_saved_and_loaded(imputation, tmp_path):
    perception = perception_of("concat", ("audio", "camera", "vector"), 0, imputation=imputation)
    perception.save_pretrained(tmp_path / "saved")
    loaded = Perception.from_pretrained(tmp_path / "saved")
    obs = readings(("audio", "camera", "vector"), 1) | {PRESENT: torch.tensor([[1, 0, 0]]).expand(ROWS, -1)}
    assert torch.equal(loaded(obs).embedding, perception(obs).embedding)


def test_what_cannot_be_imputed_is_refused_in_a_sentence():
    with pytest.raises(UnknownNameError, match='The imputation "autoencodr" is not known; did you mean "autoencoder"'):
        PerceptionConfig(imputation="autoencodr")
    with pytest.raises(SpecError, match="needs two; got vector alone"):
        Perception(Spec(vector=KINDS["vector"]), PerceptionConfig(imputation="translation"))


def faults_of_tokens(imputer, seed):
    """What an imputer breaks when tokens that do not count change: those of absent senses, and padding."""
    generator = torch.Generator().manual_seed(seed)
    groups, changed = {}, {}
    for name, n in imputer.sizes.items():
        tokens = torch.randn(ROWS, n, absence_cases.SMALL["width"], generator=generator)
        mask = (torch.rand(tokens.shape[:2], generator=generator) < 0.7) & (torch.rand(ROWS, 1) < 0.6)
        other = torch.where(mask[..., None], tokens, -100.0 * torch.randn(tokens.shape, generator=generator))
        groups[name], changed[name] = TokenGroup(tokens, mask), TokenGroup(other.requires_grad_(), mask)
    present = torch.stack([group.available for group in groups.values()], dim=1)
    one, other = imputer.fill(groups, present), imputer.fill(changed, present)
    faults = []
    for name, group in other.items():
        same = torch.where(group.mask[..., None], one[name].tokens - group.tokens, 0.0)
        if same.any() or not torch.equal(one[name].mask, group.mask):
            faults.append(f"{name} is imputed from tokens that do not count")
        if not torch.equal(group.available, present.any(dim=1)):
            faults.append(f"{name} is there where nothing is, or is not imputed")
    sum(torch.where(group.mask[..., None], group.tokens, 0.0).square().sum() for group in other.values()).backward()
    for name, group in changed.items():
        if group.tokens.grad[~group.mask].any() or not torch.isfinite(group.tokens.grad).all():
            faults.append(f"tokens of {name} that do not count have a gradient, or one is not finite")
    return faults


@every_imputation
def test_tokens_that_do_not_count_are_never_imputed_from(imputation):
    imputer = perception_of("concat", ALL, 1, imputation=imputation).imputer
    for seed in range(8):
        assert faults_of_tokens(imputer, seed) == []


class ReadsWhatIsAbsent(Imputer):
    """Faulty: the mean of all tokens, whether they count or not."""

    def generate(self, groups, noise=None):
        mean = torch.cat([group.tokens for group in groups.values()], dim=1).mean(dim=1, keepdim=True)
        return {name: Generated(mean.expand(-1, n, -1), mean[..., 0].expand(-1, n)) for name, n in self.sizes.items()}


def test_an_imputer_that_reads_what_is_absent_is_caught():
    faults = faults_of_tokens(ReadsWhatIsAbsent({"a": 2, "b": 3}, width=16, heads=2), 0)
    assert any("from tokens that do not count" in fault for fault in faults)
    assert any("have a gradient" in fault for fault in faults)


class KeepsItsGates(Perception):
    """Faulty: what the fusion says about imputed senses is told as it is."""

    def _perceive(self, obs):
        state = super()._perceive(obs)
        opened = {name: group.available.float() for name, group in (state.tokens or {}).items()}
        return state._replace(gates=opened)


def test_gates_of_imputed_senses_that_stay_open_are_caught():
    senses = ("audio", "camera", "vector")
    config = PerceptionConfig(imputation="translation", **absence_cases.SMALL)
    perception = KeepsItsGates(Spec(**{name: KINDS[name] for name in senses}), config)
    case = Case(senses, 0, 7, 0b001_010_101_111, (1e30, 1.0, -1e30), False, False, 0, 1)
    assert "the gate of" in "; ".join(violations(case, perception, perception))
