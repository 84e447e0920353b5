"""Readings that numpy makes ready, beside `Perception.prepare`, which makes tensors of the same."""

import numpy as np
import pytest
import torch

from senseweave.perception import Camera, Depth, Grid, Instruction, Microphone, Spec, Vector
from senseweave.perception.errors import ObservationError, TokenizerMismatchError
from senseweave.perception.prepare import prepare as prepare_tensors
from senseweave.policies.export.readings import prepare

SPEC = Spec(
    audio=Microphone(2, 40, 8000),
    camera=Camera(16, 16),
    depth=Depth(16, 16, 10.0),
    grid=Grid(3, 3, (4, 3)),
    instruction=Instruction(6, 1024),
    touch=Vector(3),
)
numbers = np.random.default_rng(0)
FRAME = numbers.integers(0, 256, (16, 16, 3), np.uint8)
SOUND = numbers.uniform(-1, 1, (2, 40)).astype(np.float32)
TOUCH = np.array([1.0, np.nan, 3.0])
NOTHING: dict = {}

GOOD = {
    "nothing": NOTHING,
    "one of each": {
        "audio": SOUND,
        "camera": FRAME,
        "depth": np.full((16, 16), 3),
        "grid": np.ones((3, 3, 2), np.uint8),
        "instruction": np.arange(6),
        "touch": TOUCH,
    },
    "None": {"camera": None, "touch": [1, 2, 3]},
    "a batch": {"camera": np.stack([FRAME, FRAME // 2]), "touch": np.ones((2, 3))},
    "None in a list": {"camera": [None, FRAME], "touch": [TOUCH, None], "instruction": ["go", None]},
    "a text": {"instruction": "go to the red ball"},
    "texts": {"instruction": ["go", "", "pick up the grey key and then go to the blue door"]},
    "texts of numpy": {"instruction": np.array(["go", "stop"])},
    "short sound": {"audio": SOUND[:, :25]},
    "long sound": {"audio": np.concatenate([SOUND, SOUND[:, :7]], axis=1)},
    "sounds of any length": {"audio": [SOUND[:, :25], SOUND, None]},
    "16-bit sound": {"audio": (SOUND * 32767).astype(np.int16)},
    "a length": {"audio": SOUND[None], "audio_length": [12]},
    "a mask": {"touch": [1, 2, 3], "present": [0, 0, 0, 0, 0, 1]},
    "a mask for a batch": {"touch": np.ones((2, 3)), "present": np.array([[1] * 6, [0.2] * 6])},
    "a mask alone": {"present": np.zeros((3, 6), bool)},
    "another machine's numbers": {"touch": np.array([1, 2, 3], ">f8"), "instruction": np.arange(6, dtype=">i2")},
    "a view": {"camera": FRAME[::-1, ::-1]},
    "broken frames that are absent": {"instruction": np.full(6, 5000), "present": np.zeros(6)},
    "booleans": {"touch": [True, False, True]},
}


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD)
def test_numpy_makes_what_torch_makes(raw):
    ready, right = prepare(SPEC, raw), prepare_tensors(SPEC, raw)
    assert ready.arrays.keys() == right.keys()
    for name, tensor in right.items():
        array, wanted = ready.arrays[name], tensor.numpy()
        assert array.dtype == wanted.dtype and array.shape == wanted.shape, name
        if not name.endswith("_length") or wanted.max() <= 40:
            assert np.array_equal(array, wanted, equal_nan=array.dtype.kind == "f"), name


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD)
def test_what_is_given_is_never_changed_and_rows_are_told_from_one(raw):
    before = {
        name: np.array(value, copy=True) if isinstance(value, np.ndarray) else value for name, value in raw.items()
    }
    ready = prepare(SPEC, raw)
    for name, value in raw.items():
        if isinstance(value, np.ndarray) and value.dtype.kind != "U":
            assert np.array_equal(value, before[name], equal_nan=value.dtype.kind == "f")
    rows = len(ready.non_finite)
    assert ready.is_batch or rows == 1


BAD = {
    "an unknown key": {"tuch": [1, 2, 3]},
    "another shape": {"touch": [1, 2]},
    "floats for bytes": {"camera": FRAME / 255.0},
    "channels first": {"camera": np.moveaxis(FRAME, -1, 0)},
    "two batch sizes": {"touch": np.ones((2, 3)), "camera": np.stack([FRAME] * 3)},
    "an empty batch": {"touch": np.ones((0, 3))},
    "a batch in a list": {"touch": [np.ones((2, 3)), None]},
    "loud sound": {"audio": SOUND * 100},
    "millimetres": {"depth": np.full((16, 16), 3000.0)},
    "tokens beyond the vocabulary": {"instruction": np.full(6, 5000)},
    "categories beyond the sizes": {"grid": np.full((3, 3, 2), 9, np.uint8)},
    "floats for tokens": {"instruction": np.ones(6)},
    "a mask of another width": {"present": [1, 0]},
    "a mask of words": {"present": ["yes"] * 6},
    "a length beyond": {"audio": SOUND, "audio_length": [41]},
    "two lengths": {"audio": SOUND, "audio_length": [1, 2]},
    "no numbers": {"touch": {"a": 1}},
    "complex numbers": {"touch": np.ones(3, complex)},
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_torch_refuses_numpy_refuses(raw):
    with pytest.raises(ObservationError):
        prepare_tensors(SPEC, raw)
    with pytest.raises(ObservationError):
        prepare(SPEC, raw)


def test_texts_for_another_vocabulary_are_refused():
    with pytest.raises(TokenizerMismatchError, match="vocabulary"):
        prepare(Spec(instruction=Instruction(6, 32)), {"instruction": "go"})


def test_what_is_not_finite_is_told():
    ready = prepare(SPEC, {"touch": [[1, 2, np.inf], [1, 2, 3]], "present": [[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]]})
    assert ready.non_finite.tolist() == [[False] * 5 + [True], [False] * 6]
    assert torch.isinf(torch.from_numpy(ready.arrays["touch"])).any(), "the graph itself takes it for absent"
