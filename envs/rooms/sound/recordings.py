"""Recorded words, as the package ships them: each of BabyAI's words and the sounds' names, by four voices.

Reads FLAC with PyAV, once in a process. How the files were made: data/build_speech.py; whose voices they are:
data/LICENCE.md.

Shapes: (blocks of 0.1 s, samples), with another number of blocks for each voice.
"""

import dataclasses
import functools
import pathlib

import av
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ....perception.checks.files import JSON_BYTES, read_regular
from ....perception.checks.plain_json import parse_object
from .timbres import RATE_HZ, STEP_SAMPLES


@dataclasses.dataclass(frozen=True)
class Recordings:
    """What can be said.

    Attributes:
        voices: their names.
        blocks: for each voice its words, cut into steps, in -1..1.
        places: word -> for each voice the first of its blocks and their number.
    """

    voices: tuple[str, ...]
    blocks: tuple[Float[Tensor, "_ 1600"], ...]
    places: dict[str, tuple[tuple[int, int], ...]]


@functools.cache
def recordings() -> Recordings:
    """The package's own recordings."""
    data = pathlib.Path(__file__).parent / "data"
    index = parse_object(read_regular(data / "speech.json", JSON_BYTES))
    blocks = []
    for voice in index["voices"]:
        with av.open(str(data / f"{voice}.flac"), "r") as container:
            frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        samples = torch.from_numpy(np.concatenate(frames).astype(np.float32) * 2.0**-15)
        blocks.append(samples.view(-1, STEP_SAMPLES))
    if index["rate_hz"] != RATE_HZ or index["block_samples"] != STEP_SAMPLES:
        raise RuntimeError("The recordings of speech were cut for another clock; run data/build_speech.py again.")
    places = {word: tuple((first, count) for first, count in places) for word, places in index["words"].items()}
    return Recordings(tuple(index["voices"]), tuple(blocks), places)
