"""The on-device PPO beside SB3's own: the same seed and the same actions make the same training."""

import csv

import pytest
import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from kit.worlds.noise import noises
from senseweave.policies import PPO
from senseweave.policies.policy import Choice

SETTINGS = {
    "n_steps": 16,
    "batch_size": 64,
    "n_epochs": 3,
    "gamma": 0.9,
    "ent_coef": 0.01,
    "clip_range": lambda left: 0.1 + 0.1 * left,
    "learning_rate": lambda left: 3.0 * left,
    "seed": 3,
    "device": "cpu",
    "policy_kwargs": {"net_arch": [16], "optimizer_class": torch.optim.SGD},
}


class SameDraws(BaseCallback):
    """Seeds torch before each rollout: SB3 shuffles with numpy, the on-device PPO with torch."""

    def _on_rollout_start(self):
        torch.manual_seed(self.num_timesteps)

    def _on_step(self):
        return True


def trained(make, folder, actions, **settings):
    """A model after three updates, and the rows of its log."""
    model = make("MlpPolicy", noises(actions), **SETTINGS | settings)
    model.set_logger(configure(str(folder), ["csv"]))
    model.learn(3 * 64, callback=SameDraws())
    model.logger.close()
    with (folder / "progress.csv").open() as file:
        return model, list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("actions", "settings"),
    [
        ("Discrete", {}),
        ("MultiDiscrete", {"clip_range_vf": 0.05}),
        ("MultiBinary", {"normalize_advantage": False}),
        ("Box", {"clip_range_vf": 0.05, "max_grad_norm": 0.05}),
        ("Discrete", {"target_kl": 0.001}),
    ],
    ids=str,
)
def test_training_is_that_of_stable_baselines3(actions, settings, tmp_path, monkeypatch):
    def as_torch_draws(self, deterministic=False):
        return torch.distributions.Categorical(logits=self.log_probs).sample()

    monkeypatch.setattr(Choice, "get_actions", as_torch_draws)  # SB3's draws, number by number
    expected, told_by_sb3 = trained(SB3PPO, tmp_path / "sb3", actions, **settings)
    model, told = trained(PPO, tmp_path / "own", actions, workers=1, **settings)
    assert list(model.policy.state_dict()) == list(expected.policy.state_dict())
    for name, part in model.policy.state_dict().items():
        torch.testing.assert_close(part, expected.policy.state_dict()[name], rtol=1e-4, atol=1e-6, msg=name)
    assert model.num_timesteps == expected.num_timesteps and model._n_updates == expected._n_updates
    assert ("target_kl" in settings) == (model._n_updates < 9)
    assert len(told) == len(told_by_sb3) == 3
    for row, row_by_sb3 in zip(told, told_by_sb3, strict=True):
        assert row.keys() == row_by_sb3.keys()
        for key in row.keys() - {"time/fps", "time/time_elapsed"}:
            own, wanted = (float(part[key] or "nan") for part in (row, row_by_sb3))
            assert own == pytest.approx(wanted, rel=1e-3, abs=1e-5, nan_ok=True), key
    assert any(float(row["train/clip_fraction"]) > 0 for row in told[1:])  # something was clipped
