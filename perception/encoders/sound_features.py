"""Sound features in torch, on the device: log-mel bands, and what differs between channels.

Pure functions of waveforms and a frozen set of matrices; no learned weights. Log-mel alone forgets phase, and with it
where a sound comes from: level, phase and time differences of each pair of channels are kept beside it.

b batch, c channels, p pairs of channels, t samples, f frames, k frequency bins, m mel bands, u lags
"""

import itertools
import math
from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

WINDOW_S = 0.025
HOP_S = 0.010
MAX_DELAY_S = 0.0008
"""A little more than sound needs from ear to ear around a head."""


def mel_filters(sample_rate_hz: int, fft_size: int, bands: int) -> Float[Tensor, "k m"]:
    """Triangular filters of equal area on Slaney's mel scale: linear to 1 kHz, logarithmic above.

    Source: Slaney 1998, Auditory Toolbox (Interval technical report 1998-010), mfcc.m.
    """
    linear_hz, knee_hz, ratio = 200.0 / 3.0, 1000.0, math.log(6.4) / 27.0

    def to_mel(frequency_hz: float) -> float:
        if frequency_hz < knee_hz:
            return frequency_hz / linear_hz
        return knee_hz / linear_hz + math.log(frequency_hz / knee_hz) / ratio

    mels = torch.linspace(0.0, to_mel(sample_rate_hz / 2), bands + 2, dtype=torch.float64)
    edges_hz = torch.where(
        mels < knee_hz / linear_hz, mels * linear_hz, knee_hz * torch.exp(ratio * (mels - knee_hz / linear_hz))
    )
    bins_hz = torch.linspace(0.0, sample_rate_hz / 2, fft_size // 2 + 1, dtype=torch.float64)
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz[:, None] - low) / (centre - low)
    falling = (high - bins_hz[:, None]) / (high - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    return (triangles * (2.0 / (high - low))).float()


SCALE = 2.0**54
"""A power of two, by which numbers grow without being rounded: 1e-16 times it is no longer nearly nothing."""


def inverse_root(number: Float[Tensor, "..."], least: float) -> Float[Tensor, "..."]:
    """1 / sqrt(number + least), for numbers from 0 up to 1e15.

    Those who optimise exported graphs take 1e-16 for 0 and leave the sum out: in silence the root would be that of 0.
    There the same is computed 2^54 times as large; no bit differs, as a power of two is never rounded.
    """
    if torch.compiler.is_exporting():
        return torch.rsqrt(number * SCALE + least * SCALE) * SCALE**0.5
    return torch.rsqrt(number + least)


def fourier_by_products(frames: Float[Tensor, "... w"]) -> tuple[Float[Tensor, "... k"], Float[Tensor, "... k"]]:
    """Real and imaginary part of the Fourier transform of an even number of real samples, as two matrix products.

    For exported graphs: every runtime has products, few have a good transform. onnxruntime's took ten times as long as
    these, and was a hundred times as far from torch's (benchmarks/export_speed.py). What is alike on both sides of the
    middle is added before, as a cosine is, and what is not is subtracted: half the matrix.
    """
    size = frames.shape[-1]
    half = size // 2
    first, last = frames[..., 1:half], frames[..., half + 1 :].flip(-1)
    even = torch.cat([frames[..., :1], first + last, frames[..., half : half + 1]], dim=-1)
    turn = 2.0 * np.pi / size * (np.outer(np.arange(half + 1), np.arange(half + 1)) % size)
    cosine, sine = (torch.from_numpy(part.astype(np.float32)) for part in (np.cos(turn), -np.sin(turn)[1:half]))
    return even @ cosine, (first - last) @ sine


class SoundFeatures(nn.Module):
    """Waveforms to frames of features, `hop` samples apart, each centred on its frame's time.

    A frame holds the log-mel bands of every channel and, for each pair of channels, the level difference, the cosine
    and sine of the phase difference in each band, and the correlation at each delay up to `MAX_DELAY_S`.
    Everything is bounded: bands by their floor, the rest by construction.
    """

    window: Tensor
    mel: Tensor
    delays: Tensor

    def __init__(self, channels: int, sample_rate_hz: int, bands: int, floor: float = 1e-8) -> None:
        super().__init__()
        self.floor = floor
        self.window_size = 2 * max(8, round(WINDOW_S * sample_rate_hz / 2))
        self.hop = max(1, round(HOP_S * sample_rate_hz))
        self.pairs = list(itertools.combinations(range(channels), 2))
        largest = math.ceil(MAX_DELAY_S * sample_rate_hz)
        lags = torch.arange(-largest, largest + 1)
        bins = torch.arange(self.window_size // 2 + 1)
        angle = 2.0 * math.pi / self.window_size * bins[:, None] * lags
        self.register_buffer("window", torch.hann_window(self.window_size), persistent=False)
        self.register_buffer("mel", mel_filters(sample_rate_hz, self.window_size, bands), persistent=False)
        delays = torch.cat([torch.cos(angle), -torch.sin(angle)]) / len(bins)
        self.register_buffer("delays", delays, persistent=False)  # (2 k) u
        self.size = channels * bands + len(self.pairs) * (3 * bands + len(lags))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """As in torch, but the matrices stay float32 in a half-precision model: a Fourier transform needs it."""
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, buffer in self._buffers.items():
            old = before[name]
            if buffer is not None and old is not None and buffer.dtype in (torch.float16, torch.bfloat16):
                self._buffers[name] = old.to(buffer.device)
        return self

    def frames_of(self, samples: int) -> int:
        """How many frames a recording of that many samples gives."""
        return 1 + samples // self.hop

    def spectrum(self, waveform: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b c f k"], Float[Tensor, "b c f k"]]:
        """Real and imaginary part of the short-time Fourier transform, zeros beyond both ends."""
        half = self.window_size // 2
        frames = nn.functional.pad(waveform, (half, half)).unfold(-1, self.window_size, self.hop)  # b c f window
        if torch.compiler.is_exporting():
            return fourier_by_products(frames * self.window)
        bins = torch.fft.rfft(frames * self.window)
        return bins.real.contiguous(), bins.imag.contiguous()  # apart, as the two are read many times

    def log_mel(self, waveform: Float[Tensor, "b c t"]) -> Float[Tensor, "b c f m"]:
        """Log10 of the power in each mel band, not below log10 of `floor`."""
        real, imaginary = self.spectrum(waveform)
        return torch.log10(((real.square() + imaginary.square()) @ self.mel).clamp(min=self.floor))

    def forward(self, waveform: Float[Tensor, "b c t"]) -> Float[Tensor, "b f size"]:
        """All features, roughly within -2..2."""
        real, imaginary = self.spectrum(waveform)
        power = torch.addcmul(real.square(), imaginary, imaginary) @ self.mel  # b c f m
        level = torch.log10(power.clamp(min=self.floor))
        features = [(level.transpose(1, 2).flatten(2) + 3.0) / 3.0]  # b f (c m)
        k = real.shape[-1]
        for first, second in self.pairs:
            features.append((level[:, first] - level[:, second]).clamp(-2.0, 2.0))
            # the cross spectrum, X Y*: its angle is the phase by which the first channel leads
            cross_real = torch.addcmul(real[:, first] * real[:, second], imaginary[:, first], imaginary[:, second])
            cross_imaginary = torch.addcmul(
                imaginary[:, first] * real[:, second], real[:, first], imaginary[:, second], value=-1.0
            )  # b f k
            shared = inverse_root(power[:, first] * power[:, second], self.floor**2)  # b f m
            features += [(cross_real @ self.mel) * shared, (cross_imaginary @ self.mel) * shared]
            strength = torch.addcmul(cross_real.square(), cross_imaginary, cross_imaginary)
            strength = inverse_root(strength, self.floor**2)
            # generalised cross-correlation, phase transform
            delays = (cross_real * strength) @ self.delays[:k] + (cross_imaginary * strength) @ self.delays[k:]
            features.append(2.0 * delays)  # b f u
        return torch.cat(features, dim=-1)
