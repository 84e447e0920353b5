"""`SensePolicy`: stable-baselines3's actor-critic policy over the state embedding, with a memory if it is wanted.

Without a memory its weights are those of SB3's own policy, name by name. The memory's state
travels with the caller, as everywhere in SB3: `predict` takes it and gives it back.

b batch, t steps, s width of the memory's state, e width of the embedding, f width of what the heads see
"""

import copy
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, FlattenExtractor, NatureCNN
from torch import Tensor
from torch.nn import functional

from ..perception.errors import ConfigError
from ..perception.perception import Perception
from ..perception.spec import Spec
from .choices import MEMORIES
from .environment.normalization import ONLY as ONLY
from .environment.spaces import require_plain_actions
from .extractor import PerceptionExtractor
from .memory import Memory
from .second_look import Percept, SecondLook

Observation = dict[str, Tensor]

SECOND_LOOK_WIDTH = 64
"""Numbers that a second look adds to what the heads see."""


class Judgement(NamedTuple):
    """What a policy thinks of a batch."""

    logits: Float[Tensor, "n a"]
    """Of the actions, before softmax; means, where actions are continuous."""
    latent: Float[Tensor, "n l"]
    """The actor's last hidden layer."""
    values: Float[Tensor, " n"]
    features: Float[Tensor, "n f"]
    """What the heads see: the state embedding and, where there is a memory, what it recalls and looks at again."""


class SensePolicy(ActorCriticPolicy):
    """Perception, then memory, then one head for the actions and one for the value.

    Args:
        *args: as SB3's policy: observation space, action space, learning rate schedule.
        memory: a name in `MEMORIES`.
        **kwargs: as SB3's policy; the features extractor is one for both heads.

    Attributes:
        memory: None, or the memory. What it recalls stands beside the embedding, which the heads still see.
        second_look: None, or what the recollection sees in the senses; the heads see that, too.

    Raises:
        UnknownNameError: there is no such memory.
        ConfigError: the heads are not to share a features extractor, or noise is to depend on the state, or a memory
            that looks again has no senses to look at, or actions do not count from 0 in one row.
    """

    memory: Memory | None
    second_look: SecondLook | None
    default_extractor: ClassVar[type[BaseFeaturesExtractor]] = CombinedExtractor

    def __init__(self, *args: Any, memory: str = "none", **kwargs: Any) -> None:
        MEMORIES.require(memory)
        if not kwargs.get("share_features_extractor", True) or kwargs.get("use_sde"):
            raise ConfigError(
                "A SensePolicy has one features extractor and no state-dependent noise; got other values of "
                "`share_features_extractor` or `use_sde`. Leave them out."
            )
        self._memory_name = memory
        require_plain_actions(kwargs["action_space"] if "action_space" in kwargs else args[1])
        kwargs.setdefault("features_extractor_class", self.default_extractor)
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        self.second_look = None
        self.memory = MEMORIES[self._memory_name](self.features_dim)
        if self.memory is not None:
            self.features_dim += self.memory.recall_width
            if self.memory.looks_again:
                self.second_look = self._make_second_look()
                self.features_dim += SECOND_LOOK_WIDTH
        super()._build_mlp_extractor()

    def _make_second_look(self) -> SecondLook:
        extractor = self.features_extractor
        if not isinstance(extractor, PerceptionExtractor):
            raise ConfigError(
                f'The memory "{self._memory_name}" looks at the senses of a PerceptionExtractor; got '
                f'{type(extractor).__name__}. Take that, or the memory "gru".'
            )
        config = extractor.perception.config
        return SecondLook(
            extractor.perception.spec.names,
            width=config.width,
            heads=config.heads,
            latents=config.latents,
            known=self.features_dim,
            out=SECOND_LOOK_WIDTH,
        )

    @property
    def senses(self) -> Spec | None:
        """What is perceived; None where the features extractor is none of ours."""
        extractor = self.features_extractor
        return extractor.perception.spec if isinstance(extractor, PerceptionExtractor) else None

    @property
    def perception(self) -> Perception | None:
        """The perception, where it reads observations as they come from the environment; else None."""
        extractor = self.features_extractor
        if isinstance(extractor, PerceptionExtractor) and not extractor.scaled:
            return extractor.perception
        return None

    @property
    def moved(self) -> list[str]:
        """Modalities whose channels SB3 moved to the front, so that the perception reads them otherwise."""
        extractor = self.features_extractor
        return extractor.moved if isinstance(extractor, PerceptionExtractor) else []

    @property
    def state_width(self) -> int:
        """Numbers in the memory's state; 0 without a memory."""
        return 0 if self.memory is None else self.memory.state_width

    def first_state(self, count: int) -> Float[Tensor, "b s"] | None:
        """The memory's state where an episode begins; None without a memory."""
        return None if self.memory is None else torch.zeros(count, self.state_width, device=self.device)

    def perceive(self, observation: Observation) -> Percept:
        """Perceives a batch as it comes from the environment: whole numbers stay whole numbers."""
        extractor = self.features_extractor
        if not isinstance(extractor, PerceptionExtractor):
            return Percept(cast(Tensor, self.extract_features(cast(Any, observation.get(ONLY, observation)))), {})
        seen = observation if self.perception is not None else self._preprocessed(observation)
        state = extractor.perceive(seen, with_tokens=True)
        return Percept(state.embedding, state.tokens or {}, state.present)

    def _preprocessed(self, observation: Observation) -> Observation:
        return cast(Observation, preprocess_obs(observation, self.observation_space, self.normalize_images))

    def judge(
        self,
        percept: Percept,
        state: Float[Tensor, "b s"] | None = None,
        starts: Bool[Tensor, "t b"] | None = None,
    ) -> tuple[Judgement, Float[Tensor, "b s"] | None]:
        """Remembers and judges; without a memory, every row by itself.

        Args:
            percept: what `perceive` gave; with a memory n = t * b, step by step.
            state: the memory's, before the first step.
            starts: first steps of an episode; only for a memory.

        Returns:
            The judgement of all n rows, and the memory's state after the last step.
        """
        features = embedding = percept.embedding
        if self.memory is not None:
            if state is None or starts is None:
                raise ConfigError("A policy with memory needs its `state` and `starts`; use `first_state` at first.")
            recalled, state = self.memory(embedding.unflatten(0, starts.shape), state, starts)
            features = torch.cat([embedding, recalled.flatten(0, 1)], dim=1)
            if self.second_look is not None:
                features = torch.cat([features, self.second_look(features, percept.tokens)], dim=1)
        latent_pi, latent_vf = self.mlp_extractor(features)
        return Judgement(self.action_net(latent_pi), latent_pi, self.value_net(latent_vf)[:, 0], features), state

    def distribution(self, judgement: Judgement) -> "Choice | Distribution":
        """The distribution of the actions; a new object each time, so that several threads may ask."""
        if isinstance(self.action_space, spaces.Discrete):
            return Choice(judgement.logits)
        own = copy.copy(self.action_dist)
        if hasattr(self, "log_std"):
            return cast(Any, own).proba_distribution(judgement.logits, self.log_std)
        return own.proba_distribution(action_logits=judgement.logits)

    @torch.no_grad()
    def act(
        self,
        percept: Percept,
        state: Float[Tensor, "b s"] | None,
        starts: Bool[Tensor, " b"],
        *,
        greedy: bool = False,
    ) -> tuple[Tensor, Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, "b s"] | None]:
        """One step of acting.

        Returns:
            Actions (as the distribution draws them, neither clipped nor scaled), values, log-probabilities and the
            memory's new state.
        """
        judgement, state = self.judge(percept, state, starts[None])
        distribution = self.distribution(judgement)
        actions = distribution.get_actions(deterministic=greedy)
        return actions, judgement.values, cast(Tensor, distribution.log_prob(actions)), state

    def within_bounds(self, actions: Tensor) -> Tensor:
        """Actions as the environment takes them: continuous ones in its shape, cut off at the space's limits."""
        if not isinstance(self.action_space, spaces.Box):
            return actions
        actions = actions.reshape(-1, *self.action_space.shape)
        low, high = (
            torch.as_tensor(edge, device=actions.device) for edge in (self.action_space.low, self.action_space.high)
        )
        return actions.clamp(low, high)

    def as_learned(self, actions: Tensor) -> Tensor:
        """Actions as the environment takes them in the form that is learned: continuous ones in one row each."""
        return actions.reshape(len(actions), -1) if isinstance(self.action_space, spaces.Box) else actions

    def forward(self, obs: Any, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        self._require_no_memory()
        return super().forward(obs, deterministic)

    def evaluate_actions(self, obs: Any, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        self._require_no_memory()
        return super().evaluate_actions(obs, actions)

    def get_distribution(self, obs: Any) -> Distribution:
        self._require_no_memory()
        return super().get_distribution(obs)

    def predict_values(self, obs: Any) -> Tensor:
        self._require_no_memory()
        return super().predict_values(obs)

    def _require_no_memory(self) -> None:
        if self.memory is not None:
            raise ConfigError(
                "A policy with memory works step by step: use `predict` with its state, and train it with our own PPO."
            )

    def save(self, path: str) -> None:
        """Refused: SB3 would write a pickle.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("A SensePolicy is saved with its model, as plain files: use `model.save(folder)`.")

    @classmethod
    def load(cls, path: str, device: torch.device | str = "auto") -> Self:
        """Refused: SB3 would run code from the file.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("A SensePolicy is loaded with its model: use `PPO.load(folder)`, which runs no code from it.")

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"memory": self._memory_name}

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], Any]:
        """As in SB3: observation, one or a batch, in; actions and the memory's state out.

        Args:
            observation: as the observation space describes it; a sense that is missing or None is absent.
            state: (array (1, b, s),) as the last call gave it; None at first, and without a memory.
            episode_start: (b,), rows whose episode begins; none by default, but where `state` is None.
            deterministic: take the most probable action.

        Returns:
            Actions, and the state for the next call: a tuple of one array (1, b, s), or None without a memory.
        """
        if isinstance(observation, dict):
            observation = {name: part for name, part in observation.items() if part is not None}
        if self.memory is None:
            return super().predict(observation, state, episode_start, deterministic)
        self.set_training_mode(False)
        tensors, is_batch = self.obs_to_tensor(observation)
        with torch.no_grad():
            percept = self.perceive(tensors if isinstance(tensors, dict) else {ONLY: tensors})
            count = len(percept.embedding)
            before = cast(Tensor, self.first_state(count))
            if state is not None:
                before = torch.as_tensor(np.asarray(state[0][0]), device=self.device)
            starts = np.zeros(count, bool) if episode_start is None else np.asarray(episode_start, bool)
            is_first = torch.as_tensor(starts.copy(), device=self.device)
            actions, _, _, after = self.act(percept, before, is_first, greedy=deterministic)
        chosen = actions.cpu().numpy().reshape((-1, *(self.action_space.shape or ())))
        if isinstance(self.action_space, spaces.Box):
            chosen = np.clip(chosen, self.action_space.low, self.action_space.high)
        return (chosen if is_batch else chosen.squeeze(axis=0)), (cast(Tensor, after)[None].cpu().numpy(),)


class SenseMlpPolicy(SensePolicy):
    """For observations that are a vector."""

    default_extractor = FlattenExtractor


class SenseCnnPolicy(SensePolicy):
    """For observations that are a picture."""

    default_extractor = NatureCNN


class Choice:
    """A choice among numbered actions: torch's `Categorical` without its checks, which wait for the device."""

    def __init__(self, logits: Float[Tensor, "n a"]) -> None:
        self.log_probs = functional.log_softmax(logits.float(), dim=-1)

    def get_actions(self, deterministic: bool = False) -> Shaped[Tensor, " n"]:
        """The most probable actions, or random ones."""
        if deterministic:
            return self.log_probs.argmax(dim=-1)
        # The smallest of exponentially distributed waiting times belongs to action a with probability p(a).
        return (self.log_probs.exp() / torch.empty_like(self.log_probs).exponential_()).argmax(dim=-1)

    def log_prob(self, actions: Shaped[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Of the actions, as natural logarithms."""
        return self.log_probs.gather(-1, actions.long()[:, None])[:, 0]

    def entropy(self) -> Float[Tensor, " n"]:
        """In nats."""
        return -(self.log_probs.exp() * self.log_probs).sum(dim=-1)

    def mode(self) -> Shaped[Tensor, " n"]:
        """The most probable actions."""
        return self.log_probs.argmax(dim=-1)
