"""Sound features against librosa, any length with a mask, and direction: it must survive into the tokens.

Sounds are rendered here, by Woodworth's formula for the delay around a head and a plain level difference.
"""

import math
import warnings

import numpy as np
import pytest
import torch

from senseweave.perception import Microphone, Perception, PerceptionConfig, Spec
from senseweave.perception.encoders.microphone import MAX_TOKENS, AudioEncoder
from senseweave.perception.encoders.sound_features import SoundFeatures, fourier_by_products, inverse_root

RATE_HZ, SAMPLES = 16000, 1600


def encoder(kind: Microphone, width: int = 64) -> AudioEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AudioEncoder(kind, width).requires_grad_(False)


def sounds(rate_hz: int) -> dict[str, np.ndarray]:
    time_s = np.arange(rate_hz // 2) / rate_hz
    numbers = np.random.default_rng(0)
    return {
        "noise": numbers.uniform(-1.0, 1.0, len(time_s)),
        "quiet noise": numbers.normal(0.0, 1e-3, len(time_s)),
        "tone": 0.8 * np.sin(2 * np.pi * 440.0 * time_s),
        "two tones": 0.3 * np.sin(2 * np.pi * 1000.0 * time_s) + 0.1 * np.sin(2 * np.pi * 0.4 * rate_hz * time_s),
        "chirp": 0.5 * np.sin(2 * np.pi * (100.0 * time_s + 0.35 * rate_hz * time_s**2)),
        "click": np.eye(1, len(time_s), len(time_s) // 3)[0],
        "silence": np.zeros(len(time_s)),
    }


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("bands", [20, 32])
def test_log_mel_equals_librosas(rate_hz, bands):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from librosa.core.spectrum import stft  # librosa.feature would compile for 20 s where it is new
        from librosa.filters import mel

    features = SoundFeatures(1, rate_hz, bands)
    for name, sound in sounds(rate_hz).items():
        wave = sound.astype(np.float32)
        spectrum = stft(
            y=wave.astype(np.float64),  # the oracle's own rounding stays out of it
            n_fft=features.window_size,
            hop_length=features.hop,
            window="hann",
            center=True,
            pad_mode="constant",
        )
        power = mel(sr=rate_hz, n_fft=features.window_size, n_mels=bands, norm="slaney", htk=False) @ abs(spectrum) ** 2
        expected = np.log10(np.maximum(power, features.floor)).T
        got = features.log_mel(torch.from_numpy(wave)[None, None])[0, 0].numpy()
        assert got.shape == expected.shape
        # 70 dB under the loudest band it is the rounding of float32 that speaks, in librosa as well
        loud = expected > expected.max() - 7.0
        np.testing.assert_allclose(got[loud], expected[loud], rtol=0, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-3, err_msg=name)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_a_window_lasts_25_ms_and_a_hop_10_ms(rate_hz):
    features = SoundFeatures(2, rate_hz, 20)
    assert features.window_size / rate_hz == pytest.approx(0.025, rel=0.01)
    assert features.hop / rate_hz == pytest.approx(0.010, rel=0.01)


@pytest.mark.parametrize(("channels", "pairs"), [(1, 0), (2, 1), (4, 6)])
def test_features_are_bounded_for_any_number_of_channels(channels, pairs):
    features = SoundFeatures(channels, 16000, 24)
    assert len(features.pairs) == pairs
    for scale in (0.0, 1e-6, 1.0):
        wave = scale * (2 * torch.rand(2, channels, 800, generator=torch.Generator().manual_seed(1)) - 1)
        frames = features(wave)
        assert frames.shape == (2, features.frames_of(800), features.size)
        assert torch.isfinite(frames).all() and frames.abs().max() < 4


@pytest.mark.parametrize("lag", [-9, -4, 0, 5, 12])
def test_the_correlation_peaks_at_the_delay_between_channels(lag):
    features = SoundFeatures(2, RATE_HZ, 24)
    noise = np.random.default_rng(2).normal(0.0, 0.2, SAMPLES + 64)
    wave = np.stack([noise[32 : 32 + SAMPLES], noise[32 - lag : 32 - lag + SAMPLES]])
    lags = features.size - (2 * 24 + 3 * 24)
    correlation = features(torch.from_numpy(wave).float()[None])[0, 2:-2, -lags:].mean(0)
    assert abs(int(correlation.argmax()) - lags // 2) == abs(lag)
    turned = features(torch.from_numpy(wave[::-1].copy()).float()[None])[0, 2:-2, -lags:].mean(0)
    torch.testing.assert_close(turned, correlation.flip(0), rtol=0, atol=1e-4)


@pytest.mark.parametrize("length", [1, 79, 160, 161, 640, 1000, 1599, 1600])
def test_tokens_of_a_cut_recording_are_the_first_tokens_of_a_padded_one(length):
    wave = torch.rand(3, 2, SAMPLES, generator=torch.Generator().manual_seed(length)) * 2 - 1
    encode = encoder(Microphone(2, SAMPLES, RATE_HZ))
    cut, padded = encode(wave[..., :length]), encode(wave, torch.full((3,), length))
    n = cut.tokens.shape[1]
    assert cut.mask.all()
    assert padded.mask[:, :n].all() and not padded.mask[:, n:].any()
    torch.testing.assert_close(padded.tokens[:, :n], cut.tokens, rtol=1e-4, atol=1e-4)


def test_what_lies_beyond_the_length_does_not_matter():
    kind = Microphone(2, SAMPLES, RATE_HZ)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        perception = Perception(Spec(audio=kind), PerceptionConfig(width=16, heads=2))
    wave = torch.rand(3, 2, SAMPLES) - 0.5
    length = torch.tensor([200, 801, 1600])
    obs = {"audio": wave, "audio_length": length}
    other = wave.clone()
    other[0, :, 200:] = 0.9
    other[1, :, 801:] = -1.0
    assert torch.equal(perception(obs).embedding, perception(obs | {"audio": other}).embedding)


@pytest.mark.parametrize("samples", [1, 7, 160, 16000, 100_000])
def test_a_microphone_of_any_number_of_samples_gives_at_most_64_tokens(samples):
    group = encoder(Microphone(1, samples, 16000), 16)(torch.zeros(2, 1, samples))
    assert 1 <= group.tokens.shape[1] <= MAX_TOKENS
    assert torch.isfinite(group.tokens).all()


def test_samples_beyond_full_scale_are_cut_off():
    encode = encoder(Microphone(2, 400, 8000))
    wave = torch.tensor([1.0, -1.0]).repeat(200).expand(1, 2, 400)
    assert torch.equal(encode(wave * 1e30).tokens, encode(wave).tokens)


def test_features_stay_in_float32_under_autocast():
    encode = encoder(Microphone(2, 400, 8000))
    wave = torch.rand(2, 2, 400) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        low = encode(wave).tokens
    assert (low.float() - encode(wave).tokens).abs().max() < 0.2


def render(
    numbers: np.random.Generator, azimuth_rad: float, *, delayed: bool, levelled: bool, tone: bool
) -> np.ndarray:
    """A noise burst or a tone from a direction, float32 (2, samples): left and right; positive is to the right."""
    n = 2 * SAMPLES
    if tone:
        time_s = np.arange(n) / RATE_HZ
        source = 0.4 * np.sin(2 * np.pi * (numbers.uniform(200.0, 700.0) * time_s + numbers.uniform()))
    else:
        source = numbers.normal(0.0, 0.15, n)
    angle = abs(azimuth_rad)
    delay_s = math.copysign(0.0875 / 343.0 * (angle + math.sin(angle)), azimuth_rad) if delayed else 0.0
    gain = 10 ** (8.0 * math.sin(azimuth_rad) / 40.0) if levelled else 1.0
    turn = np.exp(1j * np.pi * np.fft.rfftfreq(n, 1 / RATE_HZ) * delay_s)
    spectrum = np.fft.rfft(source)
    ears = np.stack([np.fft.irfft(spectrum / turn) / gain, np.fft.irfft(spectrum * turn) * gain])
    heard = ears[:, SAMPLES // 2 : SAMPLES // 2 + SAMPLES] * 10 ** (numbers.uniform(-12.0, 0.0) / 20.0)
    return heard.astype(np.float32)


def heard_directions(seed: int, count: int, *, delayed: bool, levelled: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Recordings, half of them tones, and their azimuths in degrees."""
    numbers = np.random.default_rng(seed)
    degrees = numbers.uniform(-80.0, 80.0, count)
    waves = [
        render(numbers, math.radians(angle), delayed=delayed, levelled=levelled, tone=i % 2 == 0)
        for i, angle in enumerate(degrees)
    ]
    return torch.from_numpy(np.stack(waves)), torch.from_numpy(degrees)


def linear_probe(features: torch.Tensor, target: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Ridge regression, and what it says of other features."""
    mean, scale = features.mean(0), features.std(0) + 1e-6
    design = torch.cat([(features - mean) / scale, torch.ones(len(features), 1)], dim=1).double()
    weights = torch.linalg.solve(design.T @ design + torch.eye(design.shape[1]).double(), design.T @ target)
    return torch.cat([(others - mean) / scale, torch.ones(len(others), 1)], dim=1).double() @ weights


def right_sides(predicted: torch.Tensor, degrees: torch.Tensor) -> float:
    """Share of the sounds more than 8 degrees off the middle that are heard on the side where they are."""
    aside = degrees.abs() > 8.0
    return ((predicted > 0) == (degrees > 0))[aside].double().mean().item()


@pytest.mark.parametrize(
    ("delayed", "levelled"), [(True, True), (True, False), (False, True)], ids=["both", "only delay", "only level"]
)
def test_a_linear_probe_of_untrained_tokens_tells_side_and_angle_of_new_sounds(delayed, levelled):
    encode = encoder(Microphone(2, SAMPLES, RATE_HZ))
    waves, degrees = heard_directions(1, 1600, delayed=delayed, levelled=levelled)
    new_waves, new_degrees = heard_directions(2, 500, delayed=delayed, levelled=levelled)
    predicted = linear_probe(encode(waves).tokens.mean(1), degrees, encode(new_waves).tokens.mean(1))
    assert right_sides(predicted, new_degrees) >= 0.99
    assert (predicted - new_degrees).abs().mean() < 8.0


def test_the_same_probe_of_a_mono_mix_does_not_know_left_from_right():
    features = SoundFeatures(1, RATE_HZ, 32)
    waves, degrees = heard_directions(1, 1600, delayed=True, levelled=True)
    new_waves, new_degrees = heard_directions(2, 500, delayed=True, levelled=True)
    mixes = [features.log_mel(part.mean(1, keepdim=True))[:, 0].mean(1) for part in (waves, new_waves)]
    predicted = linear_probe(mixes[0], degrees, mixes[1])
    assert 0.4 < right_sides(predicted, new_degrees) < 0.6
    assert (predicted - new_degrees).abs().mean() > 30.0


def test_the_same_probe_of_log_mel_without_differences_misses_a_delay():
    features = SoundFeatures(2, RATE_HZ, 32)
    waves, degrees = heard_directions(1, 1600, delayed=True, levelled=False)
    new_waves, new_degrees = heard_directions(2, 500, delayed=True, levelled=False)
    bands = [features.log_mel(part).mean(2).flatten(1) for part in (waves, new_waves)]
    predicted = linear_probe(bands[0], degrees, bands[1])
    assert right_sides(predicted, new_degrees) < 0.75
    assert (predicted - new_degrees).abs().mean() > 20.0


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_the_fourier_transform_of_exported_graphs_is_that_of_torch(rate_hz):
    features = SoundFeatures(2, rate_hz, bands=16)
    frames = torch.rand(3, 2, 5, features.window_size, generator=torch.Generator().manual_seed(0)) - 0.5
    bins = torch.fft.rfft(frames.double())
    for part, right in zip(fourier_by_products(frames), (bins.real, bins.imag), strict=True):
        assert torch.allclose(part.double(), right, rtol=0.0, atol=2e-5)


def test_the_root_of_exported_graphs_has_the_bits_of_the_other(monkeypatch):
    numbers = torch.cat([torch.zeros(3), torch.logspace(-38, 14, 4000), torch.tensor([1e-16, 1e-8, 1.0])])
    plain = inverse_root(numbers, 1e-8**2)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert torch.equal(inverse_root(numbers, 1e-8**2), plain) and torch.isfinite(plain).all()
