"""PerceptionConfig: ranges, presets and JSON, each mistake in one sentence."""

import json

import pytest

from senseweave.perception import FUSIONS, PerceptionConfig
from senseweave.perception.config import PRESETS
from senseweave.perception.errors import ConfigError, SenseweaveError, UnknownNameError


def test_the_defaults_are_the_preset_laptop():
    assert PerceptionConfig() == PerceptionConfig.preset("laptop")
    assert PerceptionConfig().fusion == "gated_cross_attention"


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_json_brings_back_the_same_configuration(preset, fusion):
    config = PerceptionConfig.preset(preset, fusion=fusion)
    assert PerceptionConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_preset_takes_changes():
    assert PerceptionConfig.preset("base", layers=3) == PerceptionConfig(
        width=128, latents=8, layers=3, heads=4, state_dim=256
    )


@pytest.mark.parametrize("field", ["width", "latents", "layers", "heads", "state_dim"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "4", None, True, float("nan")])
def test_sizes_must_be_whole_numbers_of_at_least_1(field, value):
    with pytest.raises(ConfigError, match=f"`{field}` must be a whole number of at least 1; got"):
        PerceptionConfig(**{field: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True, float("nan")])
def test_an_inner_width_is_nothing_or_a_whole_number_of_at_least_1(value):
    with pytest.raises(ConfigError, match="`fusion_width` must be a whole number of at least 1; got"):
        PerceptionConfig(fusion="sum", fusion_width=value)


def test_configurations_from_before_the_inner_width_load():
    old = {"fusion": "concat", "width": 64, "latents": 4, "layers": 1, "heads": 4, "state_dim": 128}
    assert PerceptionConfig.from_json(old) == PerceptionConfig(fusion="concat", fusion_width=None)


def test_a_width_that_does_not_divide_is_told_one_that_does():
    with pytest.raises(ConfigError, match="multiple of 2 \\* heads = 8; got 60. Try 64."):
        PerceptionConfig(width=60)


BAD = [
    ("a misspelt fusion", {"fusion": "gated_summ"}, UnknownNameError, 'did you mean "gated_sum"'),
    ("a fusion of no likeness", {"fusion": "zzz"}, UnknownNameError, "choose one of: .*concat"),
    ("a fusion that is no name", {"fusion": 3}, UnknownNameError, "The fusion"),
    ("a fusion that is a list", {"fusion": ["concat"]}, UnknownNameError, "The fusion"),
    ("an unknown key", {"widht": 64}, ConfigError, 'did you mean "width"'),
    ("a key of another library", {"features_dim": 64}, ConfigError, "is not a setting of PerceptionConfig"),
    ("a width in words", {"width": "wide"}, ConfigError, "`width`"),
]


@pytest.mark.parametrize(("data", "error", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_json_is_refused_in_one_sentence(data, error, told):
    with pytest.raises(error, match=told) as caught:
        PerceptionConfig.from_json(data)
    assert isinstance(caught.value, SenseweaveError) and "\n" not in str(caught.value)


def test_an_unknown_preset_says_did_you_mean():
    with pytest.raises(UnknownNameError, match='Preset "labtop" is not known; did you mean "laptop"'):
        PerceptionConfig.preset("labtop")
