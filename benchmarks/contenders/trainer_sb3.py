"""Contenders of trainers.py with stable-baselines3's interface: its PPO, sb3-contrib's RecurrentPPO, and ours.

SB3's play in minigrid through DummyVecEnv, or in Rooms through `RoomsSB3VecEnv`; ours plays in Rooms, as tensors. A
callback tells of episodes and updates. After the training the policy may be judged in minigrid, which no time counts.
"""

import collections
from typing import Any

from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor
from trainer_process import EPISODES_OF_GOAL
from trainer_task import Log, Task, make_level, parameters_of, task_of_command_line

from senseweave.envs.adapters.babyai import make_babyai
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.config import PerceptionConfig
from senseweave.perception.spec import Spec
from senseweave.policies.presets import PPOPreset, ppo_settings, recurrent_ppo_settings

EVALUATION_ENVS = 64
EVERY_EPISODE = 1_000_000
"""How many episodes SB3 keeps the returns of: all of a rollout."""


def make_rooms(task: Task) -> RoomsVectorEnv:
    """Rooms in a batch: the view of BabyAI in BabyAI's levels, all three senses in Seek."""
    options = {"size": "small"} if task.level == "Seek" else {"senses": ("grid", "instruction")}
    return RoomsVectorEnv(task.level, num_envs=task.num_envs, device="cpu", **options)


def make_vec_env(task: Task) -> tuple[VecEnv, Spec]:
    """The environments as SB3 takes them; in minigrid every episode is logged when it ends."""
    if not task.level.startswith("BabyAI-"):
        rooms = make_rooms(task)
        from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv

        return VecMonitor(RoomsSB3VecEnv(rooms)), rooms.senses
    vector = DummyVecEnv([lambda: make_level(task, flat=False)] * task.num_envs)
    return VecMonitor(vector), vector.envs[0].get_wrapper_attr("senses")


def settings_of(task: Task, senses: Spec) -> dict[str, Any]:
    """Keyword arguments of the algorithms."""
    preset = PPOPreset(
        n_steps=task.n_steps,
        batch_size=task.batch_size,
        n_epochs=task.epochs,
        gamma=task.gamma,
        gae_lambda=task.gae_lambda,
        clip_range=task.clip_range,
        ent_coef=task.ent_coef,
        vf_coef=task.vf_coef,
        max_grad_norm=task.max_grad_norm,
    )
    is_contrib = task.contender == "sb3-contrib"
    config = PerceptionConfig.preset("laptop", **task.perception)
    settings = (recurrent_ppo_settings if is_contrib else ppo_settings)(senses, config, preset)
    settings["learning_rate"] = lambda progress: task.falling(
        task.learning_rate, task.last_learning_rate, round((1.0 - progress) * task.frames)
    )
    if task.network == "plain":
        from plain_extractor import PlainExtractor

        changes = {"features_extractor_class": PlainExtractor, "features_extractor_kwargs": {"spec": senses}}
        settings["policy_kwargs"] |= changes
    return settings | {"seed": task.seed, "device": "cpu", "stats_window_size": EVERY_EPISODE}


def build(task: Task) -> OnPolicyAlgorithm:
    """The model that is trained.

    Raises:
        ValueError: there is no such contender here.
    """
    if task.contender.startswith("senseweave"):
        from senseweave.policies import PPO

        env = make_rooms(task)
        settings = settings_of(task, env.senses)
        settings["policy_kwargs"]["memory"] = task.memory
        return PPO("MultiInputPolicy", env, compile=task.compile, **settings)
    env, senses = make_vec_env(task)
    settings: Any = settings_of(task, senses)
    if task.contender == "sb3":
        return SB3PPO("MultiInputPolicy", env, **settings)
    if task.contender == "sb3-contrib":
        from sb3_contrib import RecurrentPPO

        return RecurrentPPO("MultiInputLstmPolicy", env, **settings)
    raise ValueError(f"{task.contender} is not one of sb3, sb3-contrib and senseweave.")


class Teller(BaseCallback):
    """Tells of every update and, where the environments do not, of every episode; lets the entropy's weight fall.

    It ends the training where the task says so.
    """

    def __init__(self, task: Task, log: Log) -> None:
        super().__init__()
        self._task, self._log = task, log
        self._recent: collections.deque[bool] = collections.deque(maxlen=EPISODES_OF_GOAL)
        self._is_over = False
        self._tells_episodes = not task.level.startswith("BabyAI-")

    def _on_training_start(self) -> None:
        self._log.tell("start")

    def _on_step(self) -> bool:
        return not self._is_over

    def _on_rollout_start(self) -> None:
        model: Any = self.model
        if self.num_timesteps:
            self._log.tell("mark", frames=self.num_timesteps)
        model.ent_coef = self._task.falling(self._task.ent_coef, self._task.last_ent_coef, self.num_timesteps)

    def _on_rollout_end(self) -> None:
        ended: Any = self.model.ep_info_buffer
        for info in ended:
            self._recent.append(float(info["r"]) > 0)
            if self._tells_episodes:
                self._log.tell("episode", steps=int(info["l"]), success=self._recent[-1])
            is_reached = len(self._recent) == EPISODES_OF_GOAL and self._share() >= self._task.stop_at
            self._is_over |= is_reached and self._task.stop_at > 0
        self._is_over |= 0 < self._task.stop_after <= self.num_timesteps
        ended.clear()

    def _share(self) -> float:
        """Success of the last episodes."""
        return sum(self._recent) / len(self._recent)

    def _on_training_end(self) -> None:
        self._log.tell("mark", frames=self.num_timesteps)


def evaluate(model: Any, task: Task, log: Log) -> None:
    """Plays held-out episodes of the same level in minigrid itself, actions drawn from the policy."""
    from senseweave.agent.play.episodes import run_episodes

    level = task.level if task.level.startswith("BabyAI-") else f"BabyAI-{task.level}-v0"
    envs: Any = [make_babyai(level) for _ in range(EVALUATION_ENVS)]
    model.policy.set_training_mode(False)
    played = run_episodes(model.policy, envs, task.evaluation_episodes, greedy=False)
    log.tell("facts", held_out_success=played.success_rate)


if __name__ == "__main__":
    given = task_of_command_line()
    told = Log(given.log)
    learner = build(given)
    told.tell("facts", parameters=parameters_of(learner.policy))
    learner.learn(given.frames, callback=Teller(given, told))
    if given.evaluation_episodes:
        evaluate(learner, given, told)
