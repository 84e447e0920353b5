"""Raw readings to tensors: what is accepted, what it becomes, and one sentence for everything else."""

import re

import numpy as np
import pytest
import torch

from senseweave.perception import (
    Camera,
    Depth,
    Grid,
    Instruction,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    Vector,
)
from senseweave.perception.errors import ObservationError, TokenizerMismatchError
from senseweave.perception.prepare import prepare
from senseweave.perception.tokenizer import default_tokenizer

SPEC = Spec(
    audio=Microphone(2, 400, 8000),
    camera=Camera(16, 20),
    grid=Grid(3, 3, (4, 3)),
    instruction=Instruction(12, 1024),
    touch=Vector(3),
)


def one(seed: int = 0) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(seed)
    return {
        "audio": numbers.uniform(-1, 1, (2, 400)).astype(np.float32),
        "camera": numbers.integers(0, 256, (16, 20, 3), np.uint8),
        "grid": numbers.integers(0, 3, (3, 3, 2)).astype(np.uint8),
        "instruction": numbers.integers(1, 1024, 12).astype(np.int32),
        "touch": numbers.normal(size=3).astype(np.float32),
    }


def batch(count: int = 4) -> dict[str, np.ndarray]:
    many = [one(seed) for seed in range(count)]
    return {name: np.stack([reading[name] for reading in many]) for name in SPEC}


def test_one_reading_of_each_sense_becomes_a_batch_of_one():
    obs = prepare(SPEC, one())
    assert set(obs) == {*SPEC.names, "audio_length", "present"}
    for name, kind in SPEC.items():
        assert obs[name].shape == (1, *kind.shape)
        assert obs[name].dtype == torch.from_numpy(np.zeros(1, kind.dtype)).dtype
        np.testing.assert_array_equal(obs[name][0].numpy(), one()[name])
    assert obs["present"].tolist() == [[True] * 5] and obs["audio_length"].tolist() == [400]


def test_a_batch_stays_a_batch():
    obs = prepare(SPEC, batch())
    for name in SPEC:
        np.testing.assert_array_equal(obs[name].numpy(), batch()[name])
    assert obs["present"].shape == (4, 5) and obs["audio_length"].tolist() == [400] * 4


def test_what_it_returns_is_prepared_already():
    obs = prepare(SPEC, batch())
    again = prepare(SPEC, obs)
    assert set(again) == set(obs)
    assert all(torch.equal(again[key], obs[key]) for key in obs)


def test_an_observation_of_the_specs_space_is_accepted():
    space = SPEC.space()
    space.seed(3)
    obs = prepare(SPEC, space.sample())
    assert obs["present"].shape == (1, 5)


@pytest.mark.parametrize("name", SPEC.names)
@pytest.mark.parametrize("how", ["missing", "None", "present"])
def test_a_sense_that_is_not_there_is_marked_absent(name, how):
    raw = dict(batch())
    if how == "missing":
        del raw[name]
    elif how == "None":
        raw[name] = None
    else:
        raw["present"] = np.tile(SPEC.present(name), (4, 1))
    obs = prepare(SPEC, raw)
    assert obs["present"].tolist() == [[key != name for key in SPEC.names]] * 4
    assert obs[name].shape == (4, *SPEC[name].shape)
    if how != "present":
        assert not obs[name].any()


def test_present_cannot_bring_back_a_missing_sense():
    raw = {name: reading for name, reading in one().items() if name != "camera"}
    assert prepare(SPEC, raw | {"present": np.ones(5)})["present"].tolist() == [[True, False, True, True, True]]


def test_nothing_at_all_is_a_batch_of_one_in_which_all_is_absent():
    assert prepare(SPEC, {})["present"].tolist() == [[False] * 5]


def test_nan_passes_and_is_counted_by_the_network():
    raw = batch()
    raw["audio"][1, 0, 7] = np.nan
    raw["touch"][2] = np.inf
    perception = Perception(SPEC, PerceptionConfig(width=16, heads=2))
    state = perception(perception.prepare(raw))
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[1, SPEC.names.index("audio")] = expected[2, SPEC.names.index("touch")] = True
    assert torch.equal(state.non_finite, expected) and torch.equal(state.present, ~expected)
    assert torch.isfinite(state.embedding).all()


def test_int16_sound_becomes_multiples_of_2_to_the_minus_15():
    wave = np.array([[-32768, 0, 1, 32767]] * 2, np.int16).repeat(100, axis=1)
    sound = prepare(SPEC, {"audio": wave})["audio"][0]
    assert sound.dtype == torch.float32
    np.testing.assert_array_equal(sound.numpy() * 32768, wave)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.float32])
def test_sound_and_vectors_of_other_floats_become_float32(dtype):
    obs = prepare(SPEC, {"audio": np.full((2, 400), 0.5, dtype), "touch": np.full(3, 0.5, dtype)})
    assert obs["audio"].dtype == obs["touch"].dtype == torch.float32
    assert (obs["audio"] == 0.5).all() and (obs["touch"] == 0.5).all()


def test_shorter_sound_is_filled_and_its_length_told():
    wave = np.ones((3, 2, 150), np.float32)
    obs = prepare(SPEC, {"audio": wave})
    assert obs["audio"].shape == (3, 2, 400) and obs["audio_length"].tolist() == [150] * 3
    assert (obs["audio"][..., :150] == 1).all() and not obs["audio"][..., 150:].any()


def test_longer_sound_keeps_the_newest_samples():
    wave = np.arange(1000, dtype=np.float32)[None].repeat(2, axis=0) / 1000
    obs = prepare(SPEC, {"audio": wave})
    np.testing.assert_array_equal(obs["audio"][0].numpy(), wave[:, -400:])
    assert obs["audio_length"].tolist() == [400]


def test_a_length_that_is_given_is_kept():
    obs = prepare(SPEC, {"audio": batch()["audio"], "audio_length": np.array([1, 400, 7, 80])})
    assert obs["audio_length"].tolist() == [1, 400, 7, 80]


@pytest.mark.parametrize("texts", ["go to the red ball", ["go to the red ball"], np.array(["go to the red ball"])])
def test_strings_become_tokens(texts):
    ids, _ = default_tokenizer().encode("go to the red ball", 12)
    obs = prepare(SPEC, {"instruction": texts})
    assert obs["instruction"].tolist() == [ids.tolist()] and obs["instruction"].dtype == torch.int32


@pytest.mark.parametrize("text", ["", "🤖 → 🔑", "去红色的球", "x" * 10_000, "word " * 10_000, "\ud800"])
def test_any_text_fits(text):
    obs = prepare(SPEC, {"instruction": [text, "go"]})
    assert obs["instruction"].shape == (2, 12)
    assert ((obs["instruction"] >= 0) & (obs["instruction"] < 1024)).all()
    assert obs["present"][:, SPEC.names.index("instruction")].all()


@pytest.mark.parametrize("convert", [lambda array: array, torch.as_tensor], ids=["numpy", "torch"])
def test_the_result_shares_no_memory_with_the_input(convert):
    raw = {name: convert(array) for name, array in batch().items()} | {"present": convert(np.ones((4, 5), np.int8))}
    raw["audio_length"] = convert(np.full(4, 400))
    before = {key: torch.as_tensor(value).clone() for key, value in raw.items()}
    obs = prepare(SPEC, raw)
    for key, value in obs.items():
        value.zero_()
        assert torch.equal(torch.as_tensor(raw[key]), before[key]), key


def test_rows_of_a_placeholder_are_rows_of_their_own():
    obs = prepare(SPEC, {"touch": np.ones((3, 3), np.float32)})
    obs["camera"][0] = 7
    assert not obs["camera"][1:].any()


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(lambda frame: frame[..., ::-1], id="BGR as RGB"),
        pytest.param(lambda frame: frame[:, ::-1], id="mirrored"),
        pytest.param(np.asfortranarray, id="Fortran order"),
        pytest.param(lambda frame: np.broadcast_to(frame[:1, :1], frame.shape), id="broadcast"),
    ],
)
def test_frames_of_any_memory_layout_are_accepted(turn):
    frame = turn(one()["camera"])
    frame.flags.writeable = False
    np.testing.assert_array_equal(prepare(SPEC, {"camera": frame})["camera"][0].numpy(), frame)


def test_big_endian_sound_is_accepted():
    wave = (one()["audio"] * 32767).astype(">i2")
    np.testing.assert_array_equal(prepare(SPEC, {"audio": wave})["audio"][0].numpy() * 32768, wave)


def test_lists_of_numbers_are_accepted_where_their_type_is_clear():
    assert prepare(SPEC, {"touch": [0.5, 1, 2]})["touch"].tolist() == [[0.5, 1.0, 2.0]]
    assert prepare(SPEC, {"instruction": [1, 2, 3] + [0] * 9})["instruction"][0, :3].tolist() == [1, 2, 3]


def with_bad(**bad):
    return batch() | bad


BAD = [
    ("an unknown key", {"camara": np.zeros((4, 16, 20, 3), np.uint8)}, 'unknown key "camara"; did you mean "camera"'),
    ("a float frame", {"camera": np.zeros((4, 16, 20, 3), np.float32)}, '"camera" must be uint8'),
    ("an int64 frame", {"camera": np.zeros((4, 16, 20, 3), np.int64)}, '"camera" must be uint8'),
    ("channels first", {"camera": np.zeros((4, 3, 16, 20), np.uint8)}, '"camera" must be uint8 of shape'),
    ("a grey frame", {"camera": np.zeros((4, 16, 20), np.uint8)}, '"camera" must be'),
    ("a frame of another size", {"camera": np.zeros((4, 20, 16, 3), np.uint8)}, '"camera" must be'),
    ("an alpha channel", {"camera": np.zeros((4, 16, 20, 4), np.uint8)}, '"camera" must be'),
    ("a string for a frame", {"camera": "frame.png"}, '"camera" must be uint8'),
    ("an object for a frame", {"camera": object()}, '"camera" must be uint8'),
    ("a dict for a frame", {"camera": {}}, '"camera" must be uint8'),
    ("a ragged list", {"touch": [[1.0, 2.0], [1.0]]}, '"touch" must be'),
    ("complex numbers", {"touch": np.zeros((4, 3), np.complex64)}, '"touch" must be'),
    ("a long vector", {"touch": np.zeros((4, 4), np.float32)}, '"touch" must be'),
    ("a number for a vector", {"touch": 3.0}, '"touch" must be'),
    ("int32 sound", {"audio": np.zeros((4, 2, 400), np.int32)}, '"audio" must be'),
    ("uint8 sound", {"audio": np.zeros((4, 2, 400), np.uint8)}, '"audio" must be'),
    ("a missing channel", {"audio": np.zeros((4, 1, 400), np.float32)}, '"audio" must be'),
    ("samples first", {"audio": np.zeros((4, 400, 2), np.float32)}, '"audio" must be'),
    ("sound without a sample", {"audio": np.zeros((4, 2, 0), np.float32)}, '"audio" must be'),
    (
        "float tokens",
        {"instruction": np.zeros((4, 12), np.float32)},
        '"instruction" must be a string, a list of strings, or int32',
    ),
    (
        "bool tokens",
        {"instruction": np.zeros((4, 12), bool)},
        '"instruction" must be a string, a list of strings, or int32',
    ),
    (
        "too many tokens",
        {"instruction": np.zeros((4, 13), np.int32)},
        '"instruction" must be a string, a list of strings, or int32',
    ),
    (
        "strings and numbers",
        {"instruction": ["go", 3, "stop", "on"]},
        '"instruction" must be a string, a list of strings, or int32',
    ),
    ("no strings", {"instruction": []}, '"instruction" must be a string, a list of strings, or int32'),
    ("bytes", {"instruction": b"go"}, '"instruction" must be a string, a list of strings, or int32'),
    ("a float grid", {"grid": np.zeros((4, 3, 3, 2), np.float32)}, '"grid" must be uint8'),
    ("an empty batch", {"touch": np.zeros((0, 3), np.float32)}, '"touch" must be'),
    ("two batch axes", {"touch": np.zeros((2, 2, 3), np.float32)}, '"touch" must be'),
    ("another batch size", {"touch": np.zeros((3, 3), np.float32)}, "one batch size; got .* 3 of touch"),
    ("one for four", {"touch": np.zeros(3, np.float32)}, "one batch size; got .* 1 of touch"),
    ("a short mask", {"present": np.ones((4, 4))}, '"present" must have 5 entries'),
    ("a mask for two", {"present": np.ones((2, 5))}, "one batch size"),
    ("a mask of rank 3", {"present": np.ones((1, 4, 5))}, '"present" must have 5 entries'),
    ("a mask of words", {"present": ["yes"] * 5}, '"present" must'),
    ("a mask of nothing", {"present": object()}, '"present" must'),
    ("lengths for two", {"audio_length": np.array([3, 4])}, '"audio_length" must'),
    ("a length in words", {"audio_length": "long"}, '"audio_length" must'),
    ("a fractional length", {"audio_length": np.full(4, 1.5)}, '"audio_length" must'),
    ("a negative length", {"audio_length": np.full(4, -1)}, '"audio_length" must'),
    ("a length beyond the sound", {"audio_length": np.full(4, 401)}, '"audio_length" must'),
]


@pytest.mark.parametrize(("bad", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_readings_are_refused_in_one_sentence(bad, told):
    with pytest.raises(ObservationError, match=told) as caught:
        prepare(SPEC, with_bad(**bad))
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?"))


def test_strings_for_another_vocabulary_are_refused():
    spec = Spec(instruction=Instruction(12, 99))
    with pytest.raises(TokenizerMismatchError, match="must be the tokenizer's, 1024; got 99"):
        prepare(spec, {"instruction": "go"})
    assert prepare(spec, {"instruction": np.ones(12, np.int32)})["instruction"].shape == (1, 12)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"audio": np.full((4, 2, 400), 12000.0, np.float32)}, r'"audio" must be sound within -1\.\.1; got .* 12000'),
        ({"instruction": np.full((4, 12), 5000)}, r'"instruction" must be within 0\.\.1023, .*; got 5000\.\.5000'),
        ({"instruction": np.full((4, 12), -1)}, r'"instruction" must be within 0\.\.1023, .*; got -1\.\.-1'),
        ({"grid": np.full((4, 3, 3, 2), 9, np.uint8)}, r'"grid" must be within 0\.\.'),
    ],
)
def test_values_that_cannot_be_meant_are_refused_where_they_are_here(bad, told):
    with pytest.raises(ObservationError, match=told) as caught:
        prepare(SPEC, with_bad(**bad))
    assert "\n" not in str(caught.value)
    name = next(iter(bad))
    here = np.ones((4, len(SPEC)), np.int8)
    here[:, SPEC.names.index(name)] = 0
    prepare(SPEC, with_bad(**bad, present=here))
    here[2, SPEC.names.index(name)] = 1
    with pytest.raises(ObservationError, match=told):
        prepare(SPEC, with_bad(**bad, present=here))


def test_depth_in_millimetres_is_told():
    spec = Spec(depth=Depth(16, 16, 5.0))
    with pytest.raises(ObservationError, match="in metres up to 5; got up to 2000. Divide millimetres by 1000"):
        prepare(spec, {"depth": np.full((16, 16), 2000.0)})
    assert prepare(spec, {"depth": np.full((16, 16), np.inf)})["present"].all(), "not finite is the perception's to see"


def test_sound_that_is_a_little_too_loud_or_not_finite_passes():
    for value in (1.5, np.nan, np.inf):
        assert prepare(SPEC, with_bad(audio=np.full((4, 2, 400), value, np.float32)))["present"].all()


def test_none_in_a_list_is_absent_in_that_sample():
    frame, sound = np.full((16, 20, 3), 7, np.uint8), np.ones((2, 400), np.float32)
    raw = {"camera": [frame, None, frame], "audio": [None, sound, sound], "instruction": ["go", "stop", None]}
    obs = prepare(SPEC, raw)
    here = dict(zip(SPEC.names, obs["present"].T.tolist(), strict=True))
    assert here["camera"] == [True, False, True] and here["audio"] == [False, True, True]
    assert here["instruction"] == [True, True, False] and here["touch"] == [False] * 3
    assert not obs["camera"][1].any() and (obs["camera"][2] == 7).all() and not obs["instruction"][2].any()
    assert prepare(SPEC, {"touch": [None, None]})["present"].shape == (2, len(SPEC))


def test_sounds_of_different_lengths_in_a_list_keep_their_lengths():
    sounds = [np.full((2, n), 0.5, np.float32) for n in (100, 400, 700)]
    obs = prepare(SPEC, {"audio": sounds})
    assert obs["audio_length"].tolist() == [100, 400, 400]
    for row, sound in enumerate(sounds):
        alone = prepare(SPEC, {"audio": sound})
        assert torch.equal(obs["audio"][row], alone["audio"][0])


def test_a_batch_in_the_place_of_a_reading_is_refused():
    with pytest.raises(ObservationError, match='"touch" must be one reading in each place of the list'):
        prepare(SPEC, {"touch": [np.zeros((2, 3)), None]})


@pytest.mark.parametrize("text", [np.array("go"), np.str_("go"), ["go"], ("go",), np.array(["go"])])
def test_a_string_is_one_in_whatever_form(text):
    assert torch.equal(
        prepare(SPEC, {"instruction": text})["instruction"], prepare(SPEC, {"instruction": "go"})["instruction"]
    )


@pytest.mark.parametrize(
    "camera",
    [
        np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (3, 16, 20)).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (4, 3, 16, 20)).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (16, 20, 4)).astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (16, 20)).astype(np.uint8),
        np.random.default_rng(0).random((16, 20, 3)),
        np.random.default_rng(0).random((16, 20, 3)) * 255,
    ],
    ids=lambda frame: f"{frame.dtype} {frame.shape} up to {frame.max():.0f}",
)
def test_a_frame_of_another_form_is_refused_with_the_line_that_converts_it(camera):
    cv2 = pytest.importorskip("cv2")
    with pytest.raises(ObservationError, match='"camera" must be uint8') as caught:
        prepare(SPEC, {"camera": camera})
    advice = str(caught.value).partition("in a batch; got ")[2]
    line = re.search(r"(np\.\w+\(.*\)|camera\[.*\]|cv2\.resize\(.*INTER_AREA\))", advice)
    assert line is not None
    converted = eval(line[1], {"np": np, "cv2": cv2, "camera": camera})
    assert prepare(SPEC, {"camera": converted})["present"][0, SPEC.names.index("camera")]
    assert converted.max() > 100, "not black"
