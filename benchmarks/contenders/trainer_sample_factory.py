"""A contender of trainers.py: Sample Factory's APPO on two workers, in which playing and learning go on side by side.

Its networks are made of an encoder, here ours, and a decoder, one hidden layer that policy and value share. It has no
schedule by frames, so learning rate and entropy's weight stay what they are at the start.
"""

import functools
import sys
import tempfile
from typing import Any

import gymnasium as gym
from sample_factory.algo.runners.runner import AlgoObserver, Runner
from sample_factory.algo.utils.context import global_model_factory
from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
from sample_factory.envs.env_utils import register_env
from sample_factory.model.actor_critic import create_actor_critic
from sample_factory.model.encoder import Encoder as FactoryEncoder
from sample_factory.train import make_runner
from torch import Tensor
from trainer_task import HIDDEN, Encoder, Log, Task, make_level, parameters_of, task_of_command_line

WORKERS = 2


class Named(gym.ObservationWrapper):
    """Sample Factory wants the observation in a dict."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Dict(obs=env.observation_space)

    def observation(self, observation: Any) -> dict[str, Any]:
        return {"obs": observation}


class OurEncoder(FactoryEncoder):
    """Our perception as Sample Factory calls it."""

    def __init__(self, cfg: Any, senses: Any) -> None:
        super().__init__(cfg)
        self.encoder = Encoder(senses)

    def forward(self, obs_dict: dict[str, Tensor]) -> Tensor:
        return self.encoder(obs_dict["obs"])

    def get_out_size(self) -> int:
        return self.encoder.width


def _make(task: Task, *_: Any, **__: Any) -> gym.Env:
    """Sample Factory's processes are handed this function, so it stands by itself."""
    return Named(make_level(task))


def _make_encoder(senses: Any, cfg: Any, space: Any) -> OurEncoder:
    return OurEncoder(cfg, senses)


class Teller(AlgoObserver):
    """Tells how many frames were learned from."""

    def __init__(self, log: Log) -> None:
        self._log, self._told = log, 0

    def on_training_step(self, runner: Runner, training_iteration_since_resume: int) -> None:
        frames = sum(runner.env_steps.values())
        if frames > self._told:
            self._told = frames
            self._log.tell("mark", frames=frames)


def arguments_of(task: Task, folder: str) -> list[str]:
    """Sample Factory's command line of the task."""
    given: dict[str, Any] = {
        "env": "level",
        "experiment": "level",
        "train_dir": folder,
        "device": "cpu",
        "seed": task.seed,
        "use_rnn": False,
        "num_workers": WORKERS,
        "num_envs_per_worker": task.num_envs // WORKERS,
        "worker_num_splits": 2,
        "async_rl": True,
        "serial_mode": False,
        "batched_sampling": False,
        "rollout": task.n_steps,
        "recurrence": 1,
        "batch_size": task.batch_size,
        "num_batches_per_epoch": task.rollout // task.batch_size,
        "num_epochs": task.epochs,
        "learning_rate": task.learning_rate,
        "lr_schedule": "constant",
        "gamma": task.gamma,
        "gae_lambda": task.gae_lambda,
        "ppo_clip_ratio": task.clip_range,
        "value_loss_coeff": task.vf_coef,
        "exploration_loss_coeff": task.ent_coef,
        "max_grad_norm": task.max_grad_norm,
        "adam_eps": task.adam_eps,
        "normalize_input": False,
        "normalize_returns": False,
        "policy_initialization": "torch_default",  # others overwrite the perception's own
        "nonlinearity": "tanh",
        "decoder_mlp_layers": HIDDEN,
        "train_for_env_steps": task.frames,
        "save_every_sec": 3600,
        "with_wandb": False,
    }
    return [f"--{name}={value}" for name, value in given.items()]


def train(task: Task) -> int:
    """Trains, telling of what was learned from as often as Sample Factory does."""
    log = Log(task.log)
    senses = make_level(task).get_wrapper_attr("senses")
    register_env("level", functools.partial(_make, task))
    global_model_factory().register_encoder_factory(functools.partial(_make_encoder, senses))
    with tempfile.TemporaryDirectory() as folder:
        given = arguments_of(task, folder)
        parser, _ = parse_sf_args(given)
        cfg, runner = make_runner(parse_full_cfg(parser, given))
        runner.register_observer(Teller(log))
        level = _make(task)
        log.tell(
            "facts", parameters=parameters_of(create_actor_critic(cfg, level.observation_space, level.action_space))
        )
        status = runner.init()
        log.tell("start")
        return status or runner.run()


if __name__ == "__main__":
    sys.exit(train(task_of_command_line()))
