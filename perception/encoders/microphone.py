"""Waveforms to tokens: a few frames of sound features each, with their time; any length, with a mask.

b batch, c channels, t samples, f frames, n tokens, d width
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..kinds.microphone import Microphone
from ..observation.layout import READING, Form, StandIn
from ..tokens import TokenGroup
from .base import Encoder
from .sound_features import SoundFeatures

MAX_TOKENS = 64

CHUNK_SAMPLES = 2**20
"""On a CPU a batch is encoded in parts of about so many samples of sound, so that their spectra stay in the cache."""


class AudioEncoder(Encoder):
    """Two frames (20 ms) a token; more for recordings so long that they would give over 64 tokens.

    The features are computed in float32 (float64 in a double model) also under autocast: a Fourier transform has no
    business in half precision. It learns nothing either, so that `features` may be computed ahead.
    """

    digests: ClassVar[bool] = True

    def __init__(self, kind: Microphone, width: int) -> None:
        super().__init__()
        self.features = SoundFeatures(kind.channels, kind.sample_rate_hz, bands=width // 2)
        self.frames_per_token = max(2, math.ceil(self.features.frames_of(kind.samples) / MAX_TOKENS))
        self.features_shape = (self.features.frames_of(kind.samples), self.features.size)
        self.width = width
        self.embed = nn.Sequential(
            nn.Linear(self.frames_per_token * self.features.size, width), nn.GELU(), nn.Linear(width, width)
        )
        self.norm = nn.LayerNorm(width)

    def stand_ins(self) -> tuple[StandIn, ...]:
        return ({"features": Form(self.features_shape)},)

    def encode(self, clean: Mapping[str, Tensor]) -> TokenGroup:
        if "features" in clean:
            return self.encode_features(clean["features"])
        return self(clean[READING], clean.get("length"))

    def digest(self, readings: Float[Tensor, "b c t"]) -> dict[str, Tensor]:
        return {"features": self.features_of(readings)}

    def forward(self, waveform: Float[Tensor, "b c t"], length: Int[Tensor, " b"] | None = None) -> TokenGroup:
        """Encodes sound in -1..1; samples beyond are cut off.

        Args:
            waveform: any number of samples, not only the kind's.
            length: how many leading samples are real, where a recording is shorter; later ones are ignored.
        """
        rows = max(1, CHUNK_SAMPLES // max(1, waveform.shape[1] * waveform.shape[2]))
        if torch.compiler.is_compiling() or waveform.device.type != "cpu" or len(waveform) <= rows:
            return self._encode(waveform, length)
        lengths = [None] * math.ceil(len(waveform) / rows) if length is None else length.split(rows)
        parts = [self._encode(*part) for part in zip(waveform.split(rows), lengths, strict=True)]
        return TokenGroup(torch.cat([part.tokens for part in parts]), torch.cat([part.mask for part in parts]))

    def _encode(self, waveform: Float[Tensor, "b c t"], length: Int[Tensor, " b"] | None) -> TokenGroup:
        if length is not None:
            heard = torch.arange(waveform.shape[-1], device=waveform.device) < length[:, None]
            waveform = torch.where(heard[:, None], waveform, 0.0)
        return self.encode_features(self.features_of(waveform), length)

    def features_of(self, waveform: Float[Tensor, "b c t"]) -> Float[Tensor, "b f k"]:
        """What is heard before anything learned comes in: f frames of k features each."""
        with torch.autocast("cpu" if waveform.is_meta else waveform.device.type, enabled=False):
            return self.features(waveform.to(self.features.window.dtype).clamp(-1.0, 1.0))

    def encode_features(self, frames: Float[Tensor, "b f k"], length: Int[Tensor, " b"] | None = None) -> TokenGroup:
        """Encodes what `features_of` gave."""
        b, f, _ = frames.shape
        n = math.ceil(f / self.frames_per_token)
        if length is not None:
            valid = torch.arange(f, device=frames.device) < (1 + length // self.features.hop)[:, None]  # b f
            frames = torch.where(valid[..., None], frames, 0.0)
            mask = valid[:, :: self.frames_per_token]  # b n
        else:
            mask = torch.ones(b, n, dtype=torch.bool, device=frames.device)
        frames = nn.functional.pad(frames, (0, 0, 0, n * self.frames_per_token - f))
        tokens = self.embed(frames.reshape(b, n, -1).to(self.norm.weight.dtype))
        return TokenGroup(self.norm(tokens + self.time(n, tokens)), mask)

    def time(self, n: int, like: Tensor) -> Float[Tensor, "n d"]:
        """Sines and cosines of the token's number, for any number of tokens.

        Source: Vaswani et al. 2017, section 3.5.
        """
        rate = torch.exp(torch.arange(0, self.width, 2, device=like.device) * (-math.log(1000.0) / self.width))
        angle = torch.arange(n, device=like.device)[:, None] * rate
        return torch.cat([angle.sin(), angle.cos()], dim=-1)[:, : self.width].to(like.dtype)
