"""Saving and loading a perception: bit for bit, or one sentence and nothing half loaded."""

import json
import os
import random

import pytest
import torch

from kit.absence_cases import KINDS, SMALL, perception_of, readings
from senseweave.perception import FUSIONS, Camera, Perception, PerceptionConfig, Spec, Vector, files, pretrained
from senseweave.perception.config import PRESETS
from senseweave.perception.errors import CheckpointError, SenseweaveError, SpecError, TokenizerMismatchError
from senseweave.perception.files import read_tensors, write_tensors

ALL = tuple(KINDS)
TOLD = (CheckpointError, SpecError)


@pytest.fixture
def saved(tmp_path):
    perception_of("gated_cross_attention", ALL, 0).save_pretrained(tmp_path)
    return tmp_path


def edit(folder, **changes) -> None:
    """Changes both copies of the description, as a release with another format would."""
    path = folder / "model.safetensors"
    tensors, metadata = read_tensors(path)
    description = json.loads(metadata["description"]) | changes
    (folder / "config.json").write_text(json.dumps(description))
    write_tensors(path, tensors, {"description": json.dumps(description)})


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_loaded_perception_is_the_saved_one_bit_for_bit(preset, fusion, tmp_path):
    perception = Perception(Spec(**KINDS), PerceptionConfig.preset(preset, fusion=fusion))
    perception.save_pretrained(tmp_path)
    loaded = Perception.from_pretrained(tmp_path)
    assert loaded.spec == perception.spec and loaded.config == perception.config
    obs = readings(ALL, 0)
    one, other = perception.explain(obs), loaded.explain(obs)
    assert torch.equal(one.embedding, other.embedding)
    assert all(torch.equal(one.gates[name], other.gates[name]) for name in ALL)
    assert all(torch.equal(one.attention[name], other.attention[name]) for name in one.attention)


def test_saving_leaves_two_files_and_no_pickle(saved):
    assert sorted(os.listdir(saved)) == ["config.json", "model.safetensors"]
    description = json.loads((saved / "config.json").read_text())
    assert description["format"] == "senseweave.perception" and description["version"] == 1
    assert description["config"]["fusion"] == "gated_cross_attention"
    assert description["tokenizer"].startswith("senseweave-1:")


def _halve(perception):
    perception.half()


def _spoil(perception):
    next(perception.parameters()).data.fill_(float("nan"))


def _exchange(perception):
    perception.fusion = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("change", "words"), [(_halve, "is float16, not float32"), (_spoil, "not finite"), (_exchange, "does not fit")]
)
def test_what_could_not_be_loaded_is_not_saved_over_what_can(saved, change, words):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    perception = Perception.from_pretrained(saved)
    change(perception)
    with pytest.raises(CheckpointError, match=words):
        perception.save_pretrained(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_subclass_loads_as_itself(saved):
    class Mine(Perception):
        pass

    assert type(Mine.from_pretrained(saved)) is Mine


def test_a_perception_without_instruction_names_no_tokenizer(tmp_path, monkeypatch):
    Perception(Spec(touch=Vector(1)), PerceptionConfig(**SMALL)).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tokenizer"] is None
    monkeypatch.setattr(pretrained, "default_tokenizer", lambda: pytest.fail("not needed"))
    Perception.from_pretrained(tmp_path)


def test_weights_trained_with_another_tokenizer_are_refused(saved, monkeypatch):
    class Other:
        identity = "senseweave-1:0000000000000000"

    monkeypatch.setattr(pretrained, "default_tokenizer", Other)
    with pytest.raises(TokenizerMismatchError, match="was trained with tokenizer senseweave-1:.*0000000000000000"):
        Perception.from_pretrained(saved)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "version 1; got 'senseweave.perception', 2"),
        ({"version": None}, "version 1"),
        ({"format": "other"}, "format senseweave.perception"),
        ({"tokenizer": "senseweave-1:ffff"}, "was trained with tokenizer senseweave-1:ffff"),
        ({"spec": {}}, "at least one modality"),
        ({"spec": []}, "lacks its spec or config"),
        ({"config": None}, "lacks its spec or config"),
        ({"spec": {"touch": {"kind": "Vektor", "size": 3}}}, "unknown kind 'Vektor'"),
        ({"spec": {"touch": {"kind": "Vector", "sise": 3}}}, "do not fit"),
        ({"spec": {"touch": 3}}, "touch"),
        ({"spec": {"touch": {"kind": "Grid", "height": 1, "width": 1, "sizes": "x"}}}, "sizes"),
        ({"spec": {"touch": {"kind": "Vector", "size": 3}}}, "does not fit this model"),
        ({"config": {"fusion": "gated_sam"}}, 'did you mean "gated_sum"'),
        ({"config": {"fusion": "concat"} | SMALL}, "does not fit this model"),
        ({"config": SMALL | {"width": 32}}, "does not fit this model: .* has shape"),
        ({"config": {"width": "wide"}}, "`width` must be a whole number"),
        ({"config": {"with": 3}}, '"with" is not a setting'),
        ({"config": []}, "lacks its spec or config"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_sentence(changes, told, saved):
    edit(saved, **changes)
    with pytest.raises(SenseweaveError, match=told) as caught:
        Perception.from_pretrained(saved)
    assert "\n" not in str(caught.value)


def test_weights_with_missing_or_unknown_names_are_refused(saved):
    path = saved / "model.safetensors"
    tensors, metadata = read_tensors(path)
    name = sorted(tensors)[0]
    for changed, told in [
        ({key: value for key, value in tensors.items() if key != name}, "lacks " + name),
        (tensors | {"more": torch.ones(1)}, "the unknown more"),
        (tensors | {name: torch.ones(1, 2)}, name + " has shape"),
    ]:
        write_tensors(path, changed, {"description": metadata["description"]})
        with pytest.raises(CheckpointError, match=told):
            Perception.from_pretrained(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_half_is_refused(name, saved):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match="is this the right folder"):
        Perception.from_pretrained(saved)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is this the right folder"):
        Perception.from_pretrained(tmp_path / "nothing")


def test_halves_of_different_saves_are_refused(saved, tmp_path):
    other = tmp_path / "other"
    Perception(Spec(camera=Camera(16, 16)), PerceptionConfig(**SMALL)).save_pretrained(other)
    os.replace(other / "config.json", saved / "config.json")
    with pytest.raises(CheckpointError, match="are of different saves"):
        Perception.from_pretrained(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_truncated_file_is_refused(name, saved):
    content = (saved / name).read_bytes()
    for length in (0, 1, len(content) // 3, len(content) - 3):
        (saved / name).write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            Perception.from_pretrained(saved)


@pytest.mark.parametrize(
    ("name", "within"), [("config.json", None), ("model.safetensors", None), ("model.safetensors", 4000)]
)
def test_50_bit_flips_are_refused_or_harmless(name, within, saved):
    """The first 4,000 bytes of the weights are their header: names, shapes, and the description as JSON within JSON."""
    obs = readings(ALL, 0)
    expected = Perception.from_pretrained(saved)(obs).embedding
    content, numbers, refused = (saved / name).read_bytes(), random.Random(1), 0
    for _ in range(50):
        flipped = bytearray(content)
        flipped[numbers.randrange(within or len(content))] ^= 1 << numbers.randrange(8)
        (saved / name).write_bytes(flipped)
        try:
            loaded = Perception.from_pretrained(saved)
        except TOLD:
            refused += 1
        else:
            assert torch.equal(loaded(obs).embedding, expected)
    assert refused >= 30


def test_a_description_that_is_no_json_is_refused(saved):
    path = saved / "model.safetensors"
    tensors, _ = read_tensors(path)
    write_tensors(path, tensors, {"description": "{"})
    with pytest.raises(CheckpointError):
        Perception.from_pretrained(saved)


def failing_replace(monkeypatch, after: int) -> None:
    replace, calls = os.replace, []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(5, "Input/output error")
        replace(*arguments)

    monkeypatch.setattr(files.os, "replace", fail)


@pytest.mark.parametrize("after", [0, 1])
def test_a_save_that_fails_leaves_a_save_that_loads(after, saved, monkeypatch):
    old, new = perception_of("gated_cross_attention", ALL, 0), perception_of("gated_cross_attention", ALL, 1)
    failing_replace(monkeypatch, after)
    with pytest.raises(CheckpointError, match="Input/output error"):
        new.save_pretrained(saved)
    obs = readings(ALL, 0)
    loaded = Perception.from_pretrained(saved)(obs).embedding
    assert torch.equal(loaded, (old if after == 0 else new)(obs).embedding)
    assert sorted(os.listdir(saved)) == ["config.json", "model.safetensors"]


def test_a_save_of_another_size_that_fails_before_its_weights_leaves_the_old_save(saved, monkeypatch):
    failing_replace(monkeypatch, 0)
    with pytest.raises(CheckpointError, match="Input/output error"):
        perception_of("concat", ALL, 0).save_pretrained(saved)
    assert Perception.from_pretrained(saved).config.fusion == "gated_cross_attention"


def test_a_save_of_another_size_that_fails_between_its_files_is_noticed(saved, monkeypatch):
    failing_replace(monkeypatch, 1)
    with pytest.raises(CheckpointError, match="Input/output error"):
        perception_of("concat", ALL, 0).save_pretrained(saved)
    with pytest.raises(CheckpointError, match="are of different saves"):
        Perception.from_pretrained(saved)


def test_a_folder_that_is_a_file_cannot_be_saved_to(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="could not be written"):
        perception_of("concat", ALL, 0).save_pretrained(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
