"""`PPO`: stable-baselines3's PPO whose rollouts, advantages and updates stay on the device, and which can remember.

It keeps SB3's constructor, `learn`, `predict`, callbacks and logger. What is new is said at the class. Experience comes
through `sources.py`, is kept in `rollout.py`, and is learned from in `learner.py` with the losses of `update.py`;
`saving/model.py` writes it to disk.

b environments, t steps
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from gymnasium.vector import VectorEnv
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import FloatSchedule, configure_logger
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, is_vecenv_wrapped
from torch import Tensor

from ...perception.checks import require_whole
from ...perception.errors import CheckpointError, ConfigError
from ...perception.files import load_strictly
from ..auxiliary import make_auxiliary
from ..environment.normalization import require_rescalable
from ..environment.spaces import require_plain_actions, require_plain_observations
from ..extractor import PerceptionExtractor
from ..policy import SenseCnnPolicy, SenseMlpPolicy, SensePolicy
from ..processes import world_rank, world_size
from ..saving.model import SavedAsFolder
from .actor import Actor
from .callbacks.buffer import RolloutAsBuffer
from .callbacks.locals import Listeners, StepLocals
from .learner import Acted, Learner, Underway
from .not_finite import log_not_finite
from .rewards import RewardScale, require_finite_rewards
from .rollout import Rollout
from .sources import Environments, StepOutcome, environments_of
from .tally import EpisodeTally
from .time_limits import TimeLimits
from .update import Update, UpdateSettings
from .vec_env import GymnasiumVecEnv
from .workers import Workers, available_cores, broadcast_parameters

COMPILER_OPTIONS = {"cpp_wrapper": True}
"""Of inductor on a CPU: graphs called from C++ release the GIL, for which the workers' threads would wait otherwise."""


class PPO(SavedAsFolder):
    """Proximal policy optimisation on the device of the network.

    What differs from stable-baselines3:

    - `env` may also be a Gymnasium vector environment that resets in the same step; one of tensors
      (`metadata["torch"]`, as Rooms) is read without any copy through the host.
    - Policies are `SensePolicy`; `policy_kwargs=dict(memory="gru")` gives it a memory, which is learned on
      whole rollouts: a minibatch is then made of whole environments.
    - `on_step` of a callback runs once for all environments. `locals` has SB3's names with SB3's contents, made when
      somebody looks, and the tensors on the device under `locals["tensors"]`. `rollout_buffer` is read in the same way;
      `rollout` holds its tensors. Episode statistics are read once a rollout.
    - `seed` reaches the environments by their own rule: a Gymnasium vector environment by `reset(seed=...)`, so that
      Rooms lives (seed, i); a `VecEnv` by `seed(...)`, which gives environment i the seed + i, as anywhere in SB3.
    - On a CPU the work on a batch is divided among `workers` threads.
    - In a process group of torch.distributed every process plays its own environments, and gradients are averaged.
    - `save` and `load` use folders without pickle.

    Args:
        policy: "MultiInputPolicy", "MlpPolicy", "CnnPolicy", or a class derived from `SensePolicy`.
        env: a Gymnasium environment or its id, a vector environment, or an SB3 `VecEnv`.
        auxiliary: name in `AUXILIARIES` -> weight: losses beside PPO's, on what the policy's heads see.
        normalize_rewards: whether rewards are divided by the standard deviation of the discounted returns so far.
        workers: threads that share a batch on a CPU; None takes one for each core, but 4 at most.
        autocast: whether forward passes run in bfloat16 on CUDA.
        compile: whether torch compiles the perception when it begins to learn; on a CPU that needs a C++ compiler.
        **settings: those of SB3's PPO, with its defaults, but `use_sde`.

    Raises:
        ConfigError: a setting is unknown, out of its range, or does not go with another one.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": SenseMlpPolicy,
        "CnnPolicy": SenseCnnPolicy,
        "MultiInputPolicy": SensePolicy,
    }
    rollout: Rollout
    rollout_buffer: Any  # a RolloutAsBuffer
    policy: Any  # a SensePolicy
    clip_range: Any  # a schedule, once the model is set up
    clip_range_vf: Any
    _last_obs: Any  # a dict of tensors on the device; None before the environments were reset

    def __init__(
        self,
        policy: str | type[SensePolicy],
        env: Any,
        *,
        auxiliary: Mapping[str, float] | None = None,
        normalize_rewards: bool = False,
        workers: int | None = None,
        autocast: bool = False,
        compile: bool = False,
        **settings: Any,
    ) -> None:
        for name in ("use_sde", "rollout_buffer_class", "rollout_buffer_kwargs"):
            if settings.get(name):
                raise ConfigError(f"The on-device PPO knows no `{name}`; got {settings[name]!r}. Leave it out.")
        if workers is not None:
            require_whole("workers", workers, 1)
        limit = settings.get("clip_range_vf")
        if isinstance(limit, (int, float)) and not limit > 0:
            raise ConfigError(f"`clip_range_vf` must be above 0; got {limit!r}. Take None to limit nothing.")
        self.auxiliary_weights, self.normalize_rewards = dict(auxiliary or {}), normalize_rewards
        self.autocast, self._compiles, self._wanted_workers = autocast, compile, workers
        self._is_compiled = False
        self.memory_state: Tensor | None = None
        self.mission_count = 0  # of the environments, where an auxiliary loss may ask for it
        super().__init__(policy, env, **settings)

    def _wrap_env(self, env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:  # pyright: ignore[reportIncompatibleMethodOverride]
        if isinstance(env, VectorEnv):
            env = GymnasiumVecEnv(env)
        if isinstance(env, GymnasiumVecEnv) and env.env.metadata.get("torch"):
            return env  # frames stay as they are: no transposing wrapper, which copies
        require_plain_observations(env.observation_space)
        require_plain_actions(env.action_space)
        perceives = self.policy_kwargs.get("features_extractor_class") is PerceptionExtractor
        if perceives and isinstance(env, VecEnv) and is_vecenv_wrapped(env, VecNormalize):
            # A perception needs no transposing wrapper, and `EvalCallback` none between it and its own `VecNormalize`.
            return env
        return SB3PPO._wrap_env(env, verbose, monitor_wrapper)

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.clip_range = FloatSchedule(self.clip_range)
        if self.clip_range_vf is not None:
            self.clip_range_vf = FloatSchedule(self.clip_range_vf)
        if not issubclass(self.policy_class, SensePolicy):
            raise ConfigError(
                f"The on-device PPO needs a policy derived from SensePolicy; got {self.policy_class.__name__}."
            )
        policy = self.policy_class(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        self.policy = policy.to(self.device)
        if self.env is not None:
            require_rescalable(self.policy.senses, self.env)
        self._environments: Environments | None = None
        if self.env is not None and self.auxiliary_weights:
            self.mission_count = self.environments.mission_count
        made = make_auxiliary(
            self.auxiliary_weights,
            self.policy.senses,
            self.policy.features_dim,
            self.mission_count,
            self.policy.features_extractor,
        )
        self.auxiliary = made.to(self.device)
        if self.auxiliary_weights:
            self.policy.optimizer.add_param_group({"params": list(self.auxiliary.parameters())})
        self.reward_scale = RewardScale(self.n_envs, self.gamma).to(self.device)
        broadcast_parameters([self.policy, self.auxiliary])
        if world_size() > 1:  # the same weights everywhere, but other environments and other draws
            self.set_random_seed(None if self.seed is None else self.seed + 1_000_003 * world_rank())
        count = self._wanted_workers or max(1, min(4, available_cores() // world_size()))
        self.workers = Workers(count if self.device.type == "cpu" else 1, alone_at_first=self._compiles)
        policy = self.policy
        self.rollout = Rollout(self.n_steps, self.n_envs, self.device, policy.perception, self.workers, policy.moved)
        self.rollout_buffer = RolloutAsBuffer(
            self.rollout, self.observation_space, self.action_space, self.gamma, self.gae_lambda
        )
        self.learner = Learner(policy, self.rollout, self.workers, "learn")
        self.tally = EpisodeTally(self.n_envs, self.device)
        self.starts = torch.ones(self.n_envs, dtype=torch.bool, device=self.device)

    def compile_perception(self) -> None:
        """Has torch compile the perception, once, if `compile` asks for it; `learn` does so by itself."""
        extractor = self.policy.features_extractor
        if self._compiles and not self._is_compiled and isinstance(extractor, PerceptionExtractor):
            options: Any = COMPILER_OPTIONS if self.device.type == "cpu" else None
            extractor.perception.compile(options=options)
            self._is_compiled = True

    @property
    def environments(self) -> Environments:
        """The environments as tensors on the model's device.

        Raises:
            ConfigError: the model has no environment.
        """
        if self._environments is None:
            if self.env is None:
                raise ConfigError("The model has no environment; give it one with `set_env`.")
            self._environments = environments_of(self.env, self.device)
        return self._environments

    def set_env(self, env: Any, force_reset: bool = True) -> None:
        super().set_env(env, force_reset)
        self._environments = None
        if force_reset:
            self._last_obs = None

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "PPO",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        """What stable-baselines3's `learn` begins with, step by step as there, but that episodes begin on the device.

        SB3's own would reset the environments by their view as a `VecEnv`, which makes arrays of what they show.
        """
        self.compile_perception()
        self.start_time = time.time_ns()
        if reset_num_timesteps:
            self.num_timesteps = self._episode_num = 0
            self._last_obs = None
        if reset_num_timesteps or self.ep_info_buffer is None:
            self.ep_info_buffer = deque(maxlen=self._stats_window_size)
            self.ep_success_buffer = deque(maxlen=self._stats_window_size)
        self._num_timesteps_at_start = self.num_timesteps
        self._total_timesteps = self.num_timesteps + total_timesteps
        if not self._custom_logger:
            self._logger = configure_logger(self.verbose, self.tensorboard_log, tb_log_name, reset_num_timesteps)
        listeners = Listeners([self._init_callback(callback, progress_bar)])
        listeners.model = self
        if self._last_obs is None:
            self.restart()
        return self._total_timesteps, listeners

    @property
    def underway(self) -> Underway:
        """Where the episodes have got to, between two steps. Imitation takes it over from here, and puts it back."""
        return Underway(self._last_obs, self.memory_state, self.starts)

    @underway.setter
    def underway(self, underway: Underway) -> None:
        self._last_obs, self.memory_state, self.starts = underway

    def restart(self, seed: int | None = None) -> None:
        """Starts an episode in every environment; with a seed, the same ones every time."""
        environments = self.environments
        if seed is None and self.env is not None:
            seed = next((given for given in self.env._seeds if given is not None), None)
            self.env._reset_seeds()
        starts = torch.ones(self.n_envs, dtype=torch.bool, device=self.device)
        self.underway = Underway(environments.reset(seed), self.policy.first_state(self.n_envs), starts)
        self.tally.restart()
        self.reward_scale.restart()

    @property
    def resumes_exactly(self) -> bool:
        """Whether `snapshot` holds the environments too, so that training goes on in the middle of episodes."""
        return self.environments.keeps_state

    def snapshot(self) -> dict[str, Tensor]:
        """What decides the future between two rollouts, beside policy, optimiser and random generators."""
        tensors = self.auxiliary_state()
        if not self.resumes_exactly:
            return tensors
        tensors |= {f"world.{name}": part for name, part in self.environments.state().items()}
        tensors |= {f"tally.{name}": part for name, part in self.tally.state().items()}
        tensors["learner.starts"] = self.starts.clone()
        if self.normalize_rewards:
            tensors["learner.returns"] = self.reward_scale.underway.clone()
        if self.memory_state is not None:
            tensors["learner.memory"] = self.memory_state.clone()
        if self.environments.missions is not None:
            tensors["learner.missions"] = self.environments.missions.clone()
        return tensors

    def auxiliary_state(self) -> dict[str, Tensor]:
        """The weights of the auxiliary losses and the scale of the rewards, as `snapshot` names them."""
        scale = self.reward_scale.state_dict() if self.normalize_rewards else {}
        groups = {"auxiliary": self.auxiliary.state_dict(), "rewards": scale}
        return {f"{group}.{name}": part.clone() for group, parts in groups.items() for name, part in parts.items()}

    def restore_auxiliary(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes those from `snapshot` or `auxiliary_state`; the rest may be there or not, and so may the scale.

        Raises:
            CheckpointError: they are of other losses.
        """
        parts = _grouped(tensors)
        load_strictly(self.auxiliary, parts.get("auxiliary", {}), "The checkpoint's auxiliary losses")
        if self.normalize_rewards and "rewards" in parts:
            load_strictly(self.reward_scale, parts["rewards"], "The checkpoint's scale of the rewards")

    def restore_snapshot(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from `snapshot` of a model with the same settings and environments.

        Raises:
            CheckpointError: it is of another model.
        """
        parts = _grouped(tensors)
        self.restore_auxiliary(tensors)
        try:
            if not self.resumes_exactly:
                return
            self._last_obs = self.environments.restore(parts["world"])
            if self.environments.mission_count:
                self.environments.missions = parts["learner"]["missions"].to(self.device)
            self.tally.restore(parts["tally"])
            self.starts = parts["learner"]["starts"].to(self.device)
            if self.normalize_rewards:
                self.reward_scale.underway.copy_(parts["learner"]["returns"])
            if self.policy.memory is not None:
                self.memory_state = parts["learner"]["memory"].to(self.device)
        except (KeyError, RuntimeError, ConfigError) as error:
            raise CheckpointError(f"The checkpoint's environments do not fit this model: {error}") from error

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Plays `n_rollout_steps` steps in every environment.

        Returns:
            Whether it came to its end; False where the callback broke it off.
        """
        self.policy.set_training_mode(False)
        callback.on_rollout_start()  # may restart, or go on from a checkpoint
        actor = Actor(self.policy, self.workers, autocast=self.autocast)
        cut_off = torch.zeros_like(self.rollout.rewards) if self.normalize_rewards else self.rollout.rewards
        limits = TimeLimits(self.policy, self.rollout, cut_off, self.gamma, actor.perceive)
        seen_by_callbacks = {"self": self, "env": env, "callback": callback, "rollout_buffer": rollout_buffer}
        callback.update_locals(seen_by_callbacks | {"n_rollout_steps": n_rollout_steps, "n_steps": 0})

        def after_step(acted: Acted, outcome: StepOutcome, underway: Underway) -> bool:
            with torch.no_grad():
                self.tally.note(outcome)
                limits.note(outcome, acted.memory)
                limits.settle(self.n_envs)
            self.num_timesteps += self.n_envs * world_size()
            seen = StepLocals(acted, outcome, self.underway, self.rollout.length - 1)
            self.underway = underway
            callback.update_locals(seen.names)
            goes_on = callback.on_step()
            seen.take_back(self.rollout)
            return goes_on

        if not self.learner.collect(self.environments, self.underway, n_rollout_steps, actor.act, after_step):
            return False
        steps_before = self.num_timesteps // (self.n_envs * world_size()) - self.learner.rollout.length
        require_finite_rewards(self.learner.rollout.rewards[: self.learner.rollout.length], steps_before)
        with torch.no_grad():
            limits.settle()
            if self.normalize_rewards:
                self.reward_scale.rescale(self.rollout, cut_off)
        log_not_finite(self.logger, self.policy.perception, self.rollout.observations())
        values = self.learner.finish(self.underway, actor.perceive, self.gamma, self.gae_lambda)
        self.record_episodes()
        callback.update_locals({"values": values[:, None], "n_steps": n_rollout_steps})
        callback.on_rollout_end()
        return True

    def record_episodes(self) -> None:
        """Reads the episodes that have ended since the last call into SB3's buffers of the latest ones."""
        infos, successes = cast(deque[Any], self.ep_info_buffer), cast(deque[Any], self.ep_success_buffer)
        for ended in self.tally.read():
            self._episode_num += 1
            infos.append({"r": ended.reward, "l": ended.steps} if ended.told is None else dict(ended.told))
            if ended.success is not None:
                successes.append(ended.success)

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """As SB3's, but never below 0: after a last rollout that is too long a schedule would turn its sign."""
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        self._current_progress_remaining = max(0.0, self._current_progress_remaining)

    def train(self) -> None:
        """Learns from the rollout."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        clip_range = self.clip_range(progress)
        clip_range_vf = None if self.clip_range_vf is None else self.clip_range_vf(progress)
        settings = UpdateSettings.of(self, clip_range, clip_range_vf)
        figures = Update(self.learner, dict(self.auxiliary.items()), settings).run()
        self.policy.set_training_mode(False)
        self._n_updates += int(figures.pop("epochs"))
        for name, value in figures.items():
            self.logger.record(f"train/{name}", value)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", float(self.policy.log_std.detach().exp().mean()))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
        if clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", clip_range_vf)


def _grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by what stands before the point of their names."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, part in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = part
    return groups
