"""One of two processes that learn together; run by tests/policies/ppo/test_update.py, which also reads what it writes.

Usage: python two_learners.py FOLDER RANK
"""

import sys
from pathlib import Path

import torch
from torch import distributed

from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import PerceptionConfig
from senseweave.policies import PPO
from senseweave.policies.ppo.learner import Learner
from senseweave.policies.ppo.update import Update, UpdateSettings
from senseweave.policies.ppo.workers import Workers
from senseweave.policies.presets import policy_settings

CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
SETTINGS = UpdateSettings(
    batch_size=10_000,
    epochs=1,
    clip_range=0.2,
    clip_range_vf=None,
    normalize_advantage=True,
    ent_coef=0.01,
    vf_coef=0.5,
    max_grad_norm=0.5,
    target_kl=None,
    auxiliary={"instruction_words": 0.1},
    autocast=False,
)


def learner(num_envs=8, n_steps=12, memory="gru", seed=1, **settings):
    """A small PPO in rooms with a grid and an instruction."""
    env = RoomsVectorEnv("GoToObj", num_envs=num_envs, device="cpu", senses=("grid", "instruction"), max_steps=10)
    kwargs = policy_settings(env.senses, CONFIG) | {"net_arch": [16], "memory": memory}
    settings = {"auxiliary": {"instruction_words": 0.1}, "batch_size": num_envs * n_steps} | settings
    return PPO(
        "MultiInputPolicy", env, n_steps=n_steps, n_epochs=1, seed=seed, device="cpu", policy_kwargs=kwargs, **settings
    )


def played(model):
    """The model after one rollout."""
    _, callback = model._setup_learn(10**6)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    return model


def update_of(model, workers=1, settings=SETTINGS):
    own = Learner(model.policy, model.rollout, Workers(workers), "learn")
    return Update(own, dict(model.auxiliary.items()), settings)


def gradients(model, workers=1, settings=SETTINGS):
    """Of every parameter, for the whole rollout as one minibatch."""
    update = update_of(model, workers, settings)
    figures = update.gradients(torch.arange(update.minibatches._count))
    return [parameter.grad.clone() for parameter in update.learner.parameters], figures


def main(folder: Path, rank: int) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    model = played(learner(num_envs=8 if rank else 4, workers=1, seed=1 + rank))
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    made, figures = gradients(model)
    tensors = {name: part for name, part in vars(model.rollout).items() if isinstance(part, torch.Tensor)}
    tensors |= {f"seen {name}": part for name, part in model.rollout._observations.items()}
    after = []
    if model.n_envs:
        model.train()
        after = [parameter.detach().clone() for parameter in model.policy.parameters()]
    told = {"rollout": tensors, "gradients": made, "figures": figures, "before": before, "after": after}
    torch.save(told | {"steps": model.num_timesteps}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]))
