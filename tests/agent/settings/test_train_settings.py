import pytest

from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.perception.errors import ConfigError, SenseweaveError, UnknownNameError

MISTAKES = [
    ({"steps": 0}, ConfigError, "`steps` must be a whole number of at least 1; got 0."),
    ({"steps": -5}, ConfigError, "`steps` must be a whole number of at least 1; got -5."),
    ({"steps": 1.5}, ConfigError, "got 1.5"),
    ({"steps": True}, ConfigError, "got True"),
    ({"num_envs": 0}, ConfigError, "`num_envs` must be a whole number in 1..4096; got 0."),
    ({"num_envs": 10**6}, ConfigError, "`num_envs` must be"),
    ({"seed": -1}, ConfigError, "`seed` must be"),
    ({"seed": 2**31}, ConfigError, "`seed` must be"),
    ({"env": ""}, ConfigError, "`env` must be a name"),
    ({"env_options": ["view"]}, ConfigError, "`env_options` must map names to values"),
    ({"device": "gpu"}, ConfigError, '`device` must be "auto", "cpu", "cuda" or "cuda:N"'),
    ({"memory": "lstm"}, UnknownNameError, 'The memory "lstm" is not known; choose one of: gru, looking_gru, none.'),
    ({"trainer": "sb33"}, UnknownNameError, 'did you mean "sb3"?'),
    ({"learning_rate": 0.0}, ConfigError, "`learning_rate` must be in 0..1, 0 excluded; got 0.0."),
    ({"learning_rate": float("nan")}, ConfigError, "got nan"),
    ({"learning_rate": -1e-3}, ConfigError, "got -0.001"),
    ({"perception": "x", "fusion": "concat"}, ConfigError, "brings its own fusion"),
    ({"checkpoint_every": 0}, ConfigError, "`checkpoint_every`"),
    ({"imitation_steps": -1}, ConfigError, "`imitation_steps`"),
    ({"imitation_steps": 9, "memory": "gru", "trainer": "sb3"}, ConfigError, "needs the trainer senseweave"),
    ({"memory": "looking_gru", "trainer": "sb3"}, ConfigError, '"looking_gru" needs the trainer senseweave; got sb3.'),
    ({"imitation_steps": 9, "trainer": "imitation"}, ConfigError, "Give the number as --steps."),
    ({"modality_dropout": 1.0}, ConfigError, "`modality_dropout` must be in 0..1, 1 excluded; got 1.0."),
    ({"modality_dropout": float("nan")}, ConfigError, "got nan"),
    ({"modality_dropout": 0.1, "env_options": {"outages": 0.1}}, ConfigError, "choose one of them"),
    ({"keep_checkpoints": 0}, ConfigError, "`keep_checkpoints`"),
    ({"evaluation_episodes": -1}, ConfigError, "`evaluation_episodes`"),
]


@pytest.mark.parametrize(("changes", "error", "message"), MISTAKES, ids=[str(row[0]) for row in MISTAKES])
def test_a_training_setting_out_of_its_range_is_one_sentence(changes, error, message):
    with pytest.raises(error) as caught:
        TrainConfig(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": ""}, "`run` must be a name"),
        ({"run": "x", "episodes": 0}, "`episodes` must be"),
        ({"run": "x", "seed": 1001}, "`seed` must be a whole number in 0..1000; got 1001."),
        ({"run": "x", "video": "film.txt"}, "`video` must end in .mp4, .mkv or .mov; got 'film.txt'."),
        ({"run": "x", "device": "tpu"}, "`device` must be"),
    ],
)
def test_an_evaluation_setting_out_of_its_range_is_one_sentence(changes, message):
    with pytest.raises(SenseweaveError) as caught:
        EvaluateConfig(**changes)
    assert message in str(caught.value)


def test_settings_survive_json():
    config = TrainConfig(env="X-v0", env_options={"view": "camera"}, learning_rate=0.5, seed=7)
    assert TrainConfig.from_json(config.to_json()) == config


def test_steps_may_be_none_after_imitation_which_is_counted_in_whole_steps_of_all_environments():
    config = TrainConfig(steps=0, imitation_steps=100, num_envs=16)
    assert config.plan == (112, 0) and config.plan.total == 112
    assert TrainConfig(steps=50, num_envs=16).plan == (0, 50)
    assert TrainConfig(steps=50, num_envs=16, trainer="imitation").plan == (64, 0)


def test_an_unknown_setting_says_did_you_mean():
    with pytest.raises(ConfigError, match='"num_env" is not a setting of TrainConfig; did you mean "num_envs"?'):
        TrainConfig.from_json({"num_env": 4})
    with pytest.raises(ConfigError, match="must be a JSON object"):
        TrainConfig.from_json(["steps"])  # type: ignore[arg-type]
