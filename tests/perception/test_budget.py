"""The inner width of a fusion: what it may be, what it changes, and finding it for a number of parameters."""

import pytest
import torch

from kit.fusion_cases import NAMES, SIZES, groups_of
from senseweave.perception import (
    FUSIONS,
    Camera,
    ConfigError,
    Fusion,
    Grid,
    Instruction,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    Vector,
    config_within,
    count_parameters,
)
from senseweave.perception.config import IMPUTATIONS
from senseweave.perception.fusion import Fused
from senseweave.perception.fusion.base import availability

WORDS = Instruction(6, 1024)
SPEC = Spec(camera=Camera(16, 16), instruction=WORDS)
SIZED = sorted(name for name, fusion in FUSIONS.items() if fusion.has_inner_width)

every_sized_fusion = pytest.mark.parametrize("fusion", SIZED)


class Plain(Fusion):
    """A fusion as users wrote them before there was a `fusion_width`."""

    def __init__(self, names, *, width, latents, layers, heads, state_dim):
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.out = torch.nn.Linear(width, state_dim)

    def forward(self, groups):
        total = sum(torch.where(group.mask[..., None], group.tokens, 0.0).sum(dim=1) for group in groups.values())
        return Fused(self.out(total), availability(groups), {})


def test_all_fusions_but_the_default_have_an_inner_width():
    assert set(FUSIONS) - set(SIZED) == {PerceptionConfig().fusion}


@every_sized_fusion
def test_a_wider_fusion_has_more_parameters(fusion):
    counts = [
        sum(p.numel() for p in FUSIONS[fusion](NAMES, **SIZES, fusion_width=width).parameters())
        for width in (1, 2, 3, 7, 16)
    ]
    assert counts == sorted(set(counts))


@every_sized_fusion
@pytest.mark.parametrize("width", [1, 7])
def test_any_inner_width_works(fusion, width):
    network = FUSIONS[fusion](NAMES, **SIZES, fusion_width=width).double()
    fused = network(groups_of(absent=("camera",)))
    fused.embedding.sum().backward()
    assert torch.isfinite(fused.embedding).all() and fused.embedding.shape[1] == SIZES["state_dim"]


@every_sized_fusion
def test_the_budget_is_kept_and_found_again_in_the_built_network(fusion):
    wanted = count_parameters(SPEC, PerceptionConfig())
    config = config_within(SPEC, PerceptionConfig(fusion=fusion), wanted)
    built = sum(parameter.numel() for parameter in Perception(SPEC, config).parameters())
    assert built == count_parameters(SPEC, config)
    assert abs(built - wanted) <= 0.1 * wanted
    assert config == PerceptionConfig(fusion=fusion, fusion_width=config.fusion_width)
    for neighbour in {max(1, config.fusion_width - 1), config.fusion_width + 1}:
        other = count_parameters(SPEC, PerceptionConfig(fusion=fusion, fusion_width=neighbour))
        assert abs(other - wanted) >= abs(built - wanted)


@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_every_kind_of_sense_and_every_imputer_is_counted(imputation):
    spec = Spec(
        camera=Camera(16, 16),
        ears=Microphone(2, 1600, 16000),
        grid=Grid(3, 4, (11, 6, 3)),
        touch=Vector(3),
        words=WORDS,
    )
    config = PerceptionConfig(fusion="sum", imputation=imputation)
    built = sum(parameter.numel() for parameter in Perception(spec, config).parameters())
    assert count_parameters(spec, config) == built
    assert config_within(spec, config, built).imputation == imputation


@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_the_budget_draws_no_random_number(imputation):
    before = torch.random.get_rng_state()
    config_within(SPEC, PerceptionConfig(fusion="late", imputation=imputation), 300_000, tolerance=1.0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_fusion_without_an_inner_width_stays_as_it_is_if_it_is_near_enough():
    count = count_parameters(SPEC, PerceptionConfig())
    assert config_within(SPEC, PerceptionConfig(), round(1.05 * count)) == PerceptionConfig()
    with pytest.raises(ConfigError, match="without one it gives"):
        config_within(SPEC, PerceptionConfig(), 2 * count)


@pytest.mark.parametrize(
    ("parameters", "tolerance", "told"),
    [
        (10, 0.1, 'No `fusion_width` of "sum" gives 10 parameters within 10 %; 1 gives'),
        (0, 0.1, "`parameters` must be a whole number of at least 1; got 0"),
        (1e6, 0.1, "`parameters` must be a whole number"),
        (200_000, -0.1, "`tolerance` must be in 0..1; got -0.1"),
        (200_000, "10 %", "`tolerance` must be in 0..1"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_told_in_one_sentence(parameters, tolerance, told):
    with pytest.raises(ConfigError, match=told) as caught:
        config_within(SPEC, PerceptionConfig(fusion="sum"), parameters, tolerance)
    assert "\n" not in str(caught.value)


def test_the_default_fusion_has_no_inner_width_to_choose():
    with pytest.raises(ConfigError, match="has no inner width to choose; got `fusion_width` 32. Leave it out"):
        PerceptionConfig(fusion_width=32)


def test_fusions_of_users_that_know_no_inner_width_go_on_working(monkeypatch):
    monkeypatch.setitem(FUSIONS, "plain", Plain)
    perception = Perception(SPEC, PerceptionConfig(fusion="plain"))
    assert perception(perception.prepare({"instruction": "go"})).embedding.shape == (1, 128)
    with pytest.raises(ConfigError, match='The fusion "plain" has no inner width'):
        PerceptionConfig(fusion="plain", fusion_width=32)


def test_a_saved_perception_comes_back_with_its_inner_width(tmp_path):
    perception = Perception(SPEC, PerceptionConfig(fusion="late", fusion_width=9))
    perception.save_pretrained(tmp_path)
    loaded = Perception.from_pretrained(tmp_path)
    assert loaded.config.fusion_width == 9 and loaded.fusion.states["camera"][0].out_features == 9
