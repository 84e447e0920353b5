"""Makes the recordings of spoken words: `python envs/rooms/sound/data/build_speech.py`.

Needs flite 2.2 (`apt-get install flite`) and PyAV. Each word is synthesised alone by each voice, trimmed, made equally
loud and padded to whole steps of 0.1 s; a voice's words stand one after the other in `<voice>.flac`, and `speech.json`
says where. flite draws nothing at random, so a second run writes the same samples. A build script, not part of the
package; LICENCE.md beside it tells whose voices these are.
"""

import json
import pathlib
import subprocess
import tempfile
import wave

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
BLOCK_SAMPLES = 1_600
VOICES = ("slt", "rms", "awb", "kal16")
PACE = 0.85
"""How long sounds last, against the voice's own manner."""
MANNERS = {
    ("slt", "the"): ("the", 1.0),
    ("awb", "the"): ("thuh", PACE),
    ("rms", "a"): ("ah", PACE),
    ("kal16", "a"): ("ah", PACE),
}
"""(voice, word) -> how to spell it and its pace, where the word alone comes out so that it is mistaken for another."""
LOUDNESS = 10.0 ** (-18.0 / 20.0)
"""Root mean square of each word's louder half."""
HIGHEST_PEAK = 0.6
SILENT_BELOW = 10.0 ** (-38.0 / 20.0)
"""Of the word's own peak: what is fainter at its ends is cut off."""
MARGIN_SAMPLES, FADE_SAMPLES = 160, 96

WORDS = """
a after and ball behind blue box door front go green grey in key left next object of on open pick purple put red right
room sound the then to up yellow you your ringing beeping humming ticking chirping buzzing whistling rattling
"""
"""The words of BabyAI's missions, and of what is heard in rooms."""


def synthesise(voice: str, word: str) -> NDArray[np.float64]:
    """What flite says, at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "word.wav")
        spelling, pace = MANNERS.get((voice, word), (word, PACE))
        manner = ["-voice", voice, "--setf", f"duration_stretch={pace}"]
        subprocess.run(["flite", *manner, "-t", spelling, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            if file.getframerate() != RATE_HZ:
                raise SystemExit(f"Voice {voice} speaks at {file.getframerate()} Hz; choose one of 16 kHz.")
            return np.frombuffer(file.readframes(file.getnframes()), np.int16) / 2.0**15


def trimmed(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without silent ends, with short fades."""
    power = np.convolve(sound**2, np.ones(80) / 80, mode="same")
    loud = np.flatnonzero(power > power.max() * SILENT_BELOW**2)
    word = sound[max(0, loud[0] - MARGIN_SAMPLES) : loud[-1] + MARGIN_SAMPLES].copy()
    fade = np.linspace(0.0, 1.0, FADE_SAMPLES)
    word[:FADE_SAMPLES] *= fade
    word[-FADE_SAMPLES:] *= fade[::-1]
    return word


def recording(voice: str, word: str) -> NDArray[np.int16]:
    """One word, a whole number of blocks."""
    sound = trimmed(synthesise(voice, word))
    loud_half = np.sort(sound**2)[len(sound) // 2 :]
    sound *= min(LOUDNESS / np.sqrt(loud_half.mean()), HIGHEST_PEAK / np.abs(sound).max())
    padded = np.zeros(-(-len(sound) // BLOCK_SAMPLES) * BLOCK_SAMPLES)
    padded[: len(sound)] = sound
    return np.round(padded * 2.0**15).astype(np.int16)


def write_flac(path: pathlib.Path, samples: NDArray[np.int16]) -> None:
    """Without loss, as small as the format allows."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono", options={"compression_level": "12"})
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    """Writes the recordings and their index beside this file."""
    folder = pathlib.Path(__file__).parent
    words = sorted(set(WORDS.split()))
    places: dict[str, list[list[int]]] = {word: [] for word in words}
    for voice in VOICES:
        parts, first = [], 0
        for word in words:
            parts.append(recording(voice, word))
            count = len(parts[-1]) // BLOCK_SAMPLES
            places[word].append([first, count])
            first += count
        write_flac(folder / f"{voice}.flac", np.concatenate(parts))
    lines = ",\n".join(f'  "{word}": {json.dumps(places[word])}' for word in words)
    voices = json.dumps(list(VOICES))
    head = f'"rate_hz": {RATE_HZ},\n"block_samples": {BLOCK_SAMPLES},\n"voices": {voices}'
    (folder / "speech.json").write_text(f'{{\n{head},\n"words": {{\n{lines}\n}}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
