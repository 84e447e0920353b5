"""What a multimodal autoencoder reconstructs of each kind of sense, and how far a reconstruction is from it.

A target is coarse on purpose: what a state of a hundred numbers can hold. It learns nothing; the decoders do.

b batch, k numbers of a reconstruction
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..config import PerceptionConfig
from ..encoders.sound_features import SoundFeatures
from ..kinds.by_kind import ByKind
from ..spec import Grid, Instruction, Kind, Microphone, key_of

PICTURE_SIDE = 16
SOUND_FRAMES = 8
MAX_NUMBERS = 1024


class Target(nn.Module):
    """Base of all targets.

    Args:
        name: the modality.
        kind: its kind.
        config: of the perception.

    Attributes:
        size: k.
        first: what an untrained decoder says.
    """

    size: int
    first: float = 0.0

    def __init__(self, name: str, kind: Kind, config: PerceptionConfig) -> None:
        super().__init__()
        self.name = name

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        """The loss of each sample; readings are finite, and zeros where there is none."""
        raise NotImplementedError


class PictureTarget(Target):
    """Frames as 16 x 16 mean colours in -1..1; mean squared error."""

    size = PICTURE_SIDE * PICTURE_SIDE * 3

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        pixels = observations[self.name].movedim(-1, 1).to(guess.dtype).clamp(0.0, 255.0) / 127.5 - 1.0
        goal = functional.adaptive_avg_pool2d(pixels, PICTURE_SIDE).flatten(1)
        return (guess - goal).square().mean(dim=1)


class SoundTarget(Target):
    """The encoder's sound features, in at most 8 stretches of time; mean squared error."""

    def __init__(self, name: str, kind: Microphone, config: PerceptionConfig) -> None:
        super().__init__(name, kind, config)
        self.features = SoundFeatures(kind.channels, kind.sample_rate_hz, bands=config.width // 2)
        self.frames = min(SOUND_FRAMES, self.features.frames_of(kind.samples))
        self.size = self.frames * self.features.size

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        features = observations.get(key_of(self.name, "features"))
        if features is None:
            waveform, length = observations[self.name].float(), observations.get(key_of(self.name, "length"))
            if length is not None:
                heard = torch.arange(waveform.shape[-1], device=waveform.device) < length[:, None]
                waveform = torch.where(heard[:, None], waveform, 0.0)
            features = self.features(waveform.to(self.features.window.dtype).clamp(-1.0, 1.0))
        goal = functional.adaptive_avg_pool1d(features.transpose(1, 2), self.frames).flatten(1)
        return (guess - goal.to(guess.dtype)).square().mean(dim=1)


class WordsTarget(Target):
    """Which tokens occur in an instruction, whatever their order; cross-entropy in nats for each that does."""

    first = -4.0  # few of all tokens occur

    def __init__(self, name: str, kind: Instruction, config: PerceptionConfig) -> None:
        super().__init__(name, kind, config)
        self.size = kind.vocab_size

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        tokens = observations[self.name].long().clamp(0, self.size - 1)
        holds = torch.zeros_like(guess).scatter_(1, tokens, 1.0)
        holds[:, 0] = 0.0
        loss = functional.binary_cross_entropy_with_logits(guess, holds, reduction="none").sum(dim=1)
        return loss / holds.sum(dim=1).clamp(min=1.0)


class CellsTarget(Target):
    """The category of every channel of every cell of a grid; mean cross-entropy in nats."""

    def __init__(self, name: str, kind: Grid, config: PerceptionConfig) -> None:
        super().__init__(name, kind, config)
        self.cells, self.sizes = kind.height * kind.width, kind.sizes
        self.size = self.cells * sum(kind.sizes)

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        cells = observations[self.name].flatten(1, 2).long()  # b cells c
        losses = []
        for channel, logits in enumerate(guess.unflatten(1, (self.cells, -1)).split(self.sizes, dim=-1)):
            goal = cells[..., channel].clamp(0, logits.shape[-1] - 1)
            losses.append(functional.cross_entropy(logits.transpose(1, 2), goal, reduction="none").mean(dim=1))
        return torch.stack(losses).mean(dim=0)


class NumbersTarget(Target):
    """Any numbers, flat, through asinh, which bounds absurd ones; means of neighbours where there are over 1024.

    Mean squared error. Vectors are reconstructed so, and every kind that nobody gave a target of its own.
    """

    def __init__(self, name: str, kind: Kind, config: PerceptionConfig) -> None:
        super().__init__(name, kind, config)
        self.size = max(1, min(MAX_NUMBERS, kind.placeholder().size))

    def forward(self, guess: Float[Tensor, "b k"], observations: Mapping[str, Tensor]) -> Float[Tensor, " b"]:
        numbers = torch.asinh(observations[self.name].flatten(1).to(guess.dtype))
        goal = numbers if numbers.shape[1] == self.size else functional.adaptive_avg_pool1d(numbers[:, None], self.size)
        return (guess - goal.reshape(guess.shape)).square().mean(dim=1)


TARGETS: ByKind[Callable[..., Target]] = ByKind(
    "target",
    {
        "Camera": PictureTarget,
        "Grid": CellsTarget,
        "Instruction": WordsTarget,
        "Microphone": SoundTarget,
        "Kind": NumbersTarget,
    },
)
"""Kind -> target; a user's own kind takes that of its nearest ancestor, so `NumbersTarget` where it has no line."""


def build_target(name: str, kind: Kind, config: PerceptionConfig) -> Target:
    """The target of one modality."""
    return (TARGETS.nearest(kind) or NumbersTarget)(name, kind, config)
