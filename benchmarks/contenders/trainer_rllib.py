"""A contender of trainers.py: RLlib's PPO, new API stack, our network as its RLModule, the learner in this process.

Environments play in this process (`runners` 0) or in others.
"""

import os
import secrets
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a benchmark reports to nobody
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one into the user's home

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.tune.registry import register_env
from trainer_task import ActorCritic, Log, Task, make_level, parameters_of, task_of_command_line


class Module(TorchRLModule, ValueFunctionAPI):
    """The network as RLlib calls it."""

    def setup(self) -> None:
        self.network = ActorCritic(self.model_config["senses"], int(self.action_space.n))

    def _forward(self, batch: dict[str, Any], **options: Any) -> dict[str, Any]:
        hidden = self.network.encoder(batch[Columns.OBS])
        return {Columns.ACTION_DIST_INPUTS: self.network.policy(hidden), Columns.EMBEDDINGS: hidden}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> torch.Tensor:
        hidden = self.network.encoder(batch[Columns.OBS]) if embeddings is None else embeddings
        return self.network.value(hidden).squeeze(-1)


def settings_of(task: Task, senses: Any) -> PPOConfig:
    """RLlib's configuration of the task."""
    share = -(-task.num_envs // max(1, task.runners))
    return (
        PPOConfig()
        .environment("level")
        .framework("torch")
        .debugging(seed=task.seed, log_level="ERROR")
        .env_runners(num_env_runners=task.runners, num_envs_per_env_runner=share, rollout_fragment_length=task.n_steps)
        .rl_module(rl_module_spec=RLModuleSpec(module_class=Module, model_config={"senses": senses}))
        .training(
            train_batch_size_per_learner=task.rollout,
            minibatch_size=task.batch_size,
            num_epochs=task.epochs,
            lr=[[0, task.learning_rate], [task.frames, task.last_learning_rate]],
            gamma=task.gamma,
            lambda_=task.gae_lambda,
            clip_param=task.clip_range,
            entropy_coeff=task.ent_coef,
            vf_loss_coeff=task.vf_coef,
            vf_clip_param=1e6,
            grad_clip=task.max_grad_norm,
            grad_clip_by="global_norm",
            use_kl_loss=False,
        )
        .learners(num_learners=0)
    )


def train(task: Task) -> None:
    """Trains, telling of every update."""
    log = Log(task.log)
    register_env("level", lambda config: make_level(task))
    paths = {"PYTHONPATH": str(Path(__file__).parent)}
    ray.init(num_cpus=task.runners + 1, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": paths})
    algorithm = settings_of(task, make_level(task).get_wrapper_attr("senses")).build_algo()
    log.tell("facts", parameters=parameters_of(algorithm.get_module().network))
    log.tell("start")
    frames, told = 0, {}
    while frames < task.frames:
        told = algorithm.train()
        frames = int(told["num_env_steps_sampled_lifetime"])
        log.tell("mark", frames=frames)
    trained = float(told["learners"]["default_policy"]["num_module_steps_trained_lifetime"])
    log.tell("facts", epochs_done=trained / frames)  # the check that all epochs ran
    algorithm.stop()
    ray.shutdown()


if __name__ == "__main__":
    train(task_of_command_line())
