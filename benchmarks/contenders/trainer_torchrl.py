"""A contender of trainers.py: TorchRL's PPO, with its collector, GAE, ClipPPOLoss and replay buffer.

The environments are a `SerialEnv`, which was faster than `ParallelEnv` on two cores.
"""

from typing import Any

import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
from torchrl.envs import GymWrapper, SerialEnv
from torchrl.modules import ActorValueOperator, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE
from trainer_task import ActorCritic, Log, Task, make_level, parameters_of, task_of_command_line


class Trunk(nn.Module):
    """The encoder, for observations with any number of leading dimensions."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Embeddings of observations."""
        return self.encoder(observation.flatten(0, -2)).unflatten(0, observation.shape[:-1])


def train(task: Task) -> None:
    """Trains, telling of every update."""
    log = Log(task.log)
    level = make_level(task)
    actions: Any = level.action_space
    network = ActorCritic(level.get_wrapper_attr("senses"), int(actions.n))
    log.tell("facts", parameters=parameters_of(network))

    def make_one() -> GymWrapper:
        return GymWrapper(make_level(task), categorical_action_encoding=True)

    env = SerialEnv(task.num_envs, make_one)
    env.set_seed(task.seed)
    trunk = TensorDictModule(Trunk(network.encoder), in_keys=["observation"], out_keys=["hidden"])
    head = TensorDictModule(network.policy, in_keys=["hidden"], out_keys=["logits"])
    actor = ProbabilisticActor(
        head, in_keys=["logits"], distribution_class=torch.distributions.Categorical, return_log_prob=True
    )
    both = ActorValueOperator(trunk, actor, ValueOperator(network.value, in_keys=["hidden"]))
    policy, value = both.get_policy_operator(), both.get_value_operator()
    advantages = GAE(gamma=task.gamma, lmbda=task.gae_lambda, value_network=value, deactivate_vmap=True)
    loss = ClipPPOLoss(
        policy,
        value,
        clip_epsilon=task.clip_range,
        entropy_coeff=task.ent_coef,
        critic_coeff=task.vf_coef,
        loss_critic_type="l2",
        normalize_advantage=True,
    )
    optimizer = torch.optim.Adam(loss.parameters(), lr=task.learning_rate, eps=task.adam_eps)
    minibatches = ReplayBuffer(
        storage=LazyTensorStorage(task.rollout), sampler=SamplerWithoutReplacement(), batch_size=task.batch_size
    )
    log.tell("start")
    frames = 0
    collector = Collector(env, policy, frames_per_batch=task.rollout, total_frames=task.updates * task.rollout)
    for played in collector:
        optimizer.param_groups[0]["lr"] = task.falling(task.learning_rate, task.last_learning_rate, frames)
        with torch.no_grad():
            advantages(played)
        minibatches.empty()
        minibatches.extend(played.reshape(-1))
        for _ in range(task.epochs):
            for minibatch in minibatches:
                parts = loss(minibatch)
                (parts["loss_objective"] + parts["loss_critic"] + parts["loss_entropy"]).backward()
                nn.utils.clip_grad_norm_(loss.parameters(), task.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
        frames += task.rollout
        log.tell("mark", frames=frames)
    collector.shutdown()


if __name__ == "__main__":
    train(task_of_command_line())
