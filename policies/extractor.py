"""`Perception` as the features extractor of stable-baselines3 and sb3-contrib policies.

SB3 hands an extractor floats: frames moved to (3, height, width) and perhaps divided by 255, token ids and masks as
floats. This class undoes that and passes on what the spec describes. It learns nothing of its own.

b batch, s state width
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import torch
from gymnasium import spaces
from jaxtyping import Float
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from torch import Tensor, nn

from ..perception.config import PerceptionConfig
from ..perception.errors import ConfigError, SpecError
from ..perception.perception import Perception, State
from ..perception.spec import Microphone, Spec
from .environment.normalization import Normalization
from .environment.rescaled import Looker
from .environment.spaces import is_moved, require_senses


class PerceptionExtractor(CombinedExtractor):
    """Features extractor for PPO, SAC, DQN and RecurrentPPO with Dict observations.

    `policy_kwargs=dict(features_extractor_class=PerceptionExtractor, features_extractor_kwargs=dict(spec=env_spec))`

    It inherits from SB3's `CombinedExtractor` for one reason: SB3 tells that class, and no other, whether it divides
    frames by 255 (`normalized_image`). None of its networks are built.

    A sense that an observation lacks is absent, as everywhere.

    Args:
        observation_space: the space as SB3 sees it, with frames moved or not.
        spec: the senses; inferred from the space where that is possible (a space cannot tell a sound's rate).
        config: a `PerceptionConfig`, its JSON values, or a preset's name.
        normalized_image: False where SB3 divides frames by 255 (its default), True where `normalize_images=False`;
            SB3 sets it by itself.
        sample_rate_hz: of the sounds, where the spec is inferred.

    Attributes:
        normalization: how `VecNormalize` rescaled what the policy learned from, where nobody else does it here.

    Raises:
        ConfigError: a spec is given that tells another rate.
        SpecError: the spec does not belong to the space, or somebody rescales a sense that has a scale of its own.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        spec: Spec | None = None,
        config: PerceptionConfig | Mapping[str, Any] | str | None = None,
        normalized_image: bool = False,
        sample_rate_hz: int | None = None,
    ) -> None:
        if isinstance(config, str):
            config = PerceptionConfig.preset(config)
        elif config is not None and not isinstance(config, PerceptionConfig):
            config = PerceptionConfig.from_json(config)
        config = config or PerceptionConfig()
        BaseFeaturesExtractor.__init__(self, observation_space, config.state_dim)
        if spec is not None and sample_rate_hz is not None:
            for name, kind in spec.of_kind(Microphone).items():
                if kind.sample_rate_hz != sample_rate_hz:
                    raise ConfigError(
                        f'`sample_rate_hz` must be that of "{name}" in the spec, {kind.sample_rate_hz}; got '
                        f"{sample_rate_hz}. Leave it out."
                    )
        spec = spec or _inferred(observation_space, sample_rate_hz)
        require_senses(spec, observation_space)
        self.moved, self.scaled = _changes_by_sb3(spec, observation_space, divides=not normalized_image)
        self.perception = Perception(spec, config)
        self.normalization: Normalization | None = None
        self._looker = Looker(spec)

    def apply(self, fn: Callable[[nn.Module], None]) -> Self:
        """As in torch, except that SB3's orthogonal initialisation passes by.

        SB3 would overwrite every linear layer of the perception, also of a pretrained one, and shut its gates halfway.
        """
        if getattr(fn, "func", None) is BasePolicy.init_weights:
            return self
        return super().apply(fn)

    def forward(self, observations: Mapping[str, Tensor]) -> Float[Tensor, "b s"]:
        """The state embedding of a batch that SB3 has preprocessed."""
        return self.perceive(observations).embedding

    def perceive(self, observations: Mapping[str, Tensor], *, with_tokens: bool = False) -> State:
        """The whole state of a batch that SB3 has preprocessed: embedding, gates, presence, and perhaps tokens."""
        return self.perception(self.restore(observations), with_tokens=with_tokens)

    def restore(self, observations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The observation as the spec describes it: frames (height, width, 3) in 0..255.

        Raises:
            ObservationError: a sense of whole numbers holds others, or such that it does not know. It is looked at
                now and then, not each time.
        """
        restored = {name: part for name, part in observations.items() if part is not None}
        for name in self.moved:
            # what `prepare` made has its channels last already
            if name in restored and restored[name].shape[1:] != self.perception.spec[name].shape:
                restored[name] = restored[name].movedim(1, -1)
        for name in self.scaled:
            if name in restored and restored[name].is_floating_point():
                restored[name] = torch.round(restored[name] * 255.0)
        self._looker.look(restored)
        return restored if self.normalization is None else self.normalization.applied(restored)


def _inferred(space: spaces.Space[Any], sample_rate_hz: int | None) -> Spec:
    """The spec that a space tells by itself.

    Raises:
        SpecError: it does not tell enough.
    """
    try:
        return Spec.from_space(space, sample_rate_hz=sample_rate_hz)
    except SpecError as error:
        fact = str(error).partition("; pass ")[0].removesuffix(".")
        if fact == str(error).removesuffix("."):
            raise
        raise SpecError(
            f"{fact}; pass the senses, features_extractor_kwargs=dict(spec=...): an environment of senseweave or of "
            'adapt has them, env.get_wrapper_attr("senses").'
        ) from error


def _changes_by_sb3(spec: Spec, space: spaces.Dict, *, divides: bool) -> tuple[list[str], list[str]]:
    """Names of the modalities whose channels SB3 moved to the front, and of those that it divides by 255."""
    moved = [name for name, kind in spec.items() if is_moved(kind, space[name])]
    return moved, [name for name in spec if divides and is_image_space(space[name])]


@contextlib.contextmanager
def watch_states(policy: ActorCriticPolicy, on_state: Callable[[State], object]) -> Iterator[None]:
    """Calls `on_state` with the `State` of every forward call that the policy makes in the block."""

    def tell(_module: object, _inputs: object, state: Any) -> None:
        on_state(state)

    hook = perception_of(policy).register_forward_hook(tell)
    try:
        yield
    finally:
        hook.remove()


def perception_of(policy: ActorCriticPolicy) -> Perception:
    """The perception module inside a policy."""
    perception = policy.features_extractor.perception
    if not isinstance(perception, Perception):
        raise TypeError(f"The policy's extractor has no Perception; got {type(perception).__name__}.")
    return perception
