"""The files of an exported folder: their names, what is refused, and what is never opened."""

import json
import re
import shutil

import numpy as np
import pytest

from kit.exported_models import policy_of
from senseweave.perception import Perception
from senseweave.perception.errors import CheckpointError, ConfigError, ExportError, UnknownNameError
from senseweave.policies.export import EXPORT_FORMATS, Exported, export, load_exported
from senseweave.policies.saving.sealed import write_sealed


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported("looking"), tmp_path / "copy")


def test_files_inputs_and_outputs_have_their_names(exported):
    folder = exported("looking")
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.onnx", "tokenizer.json"]
    told = json.loads((folder / "model.json").read_text())
    assert [port["name"] for port in told["inputs"]] == ["instruction", "touch", "present", "memory", "start"]
    assert told["outputs"] == ["state", "gates", "logits", "value", "memory_out"]
    assert told["inputs"][0] == {"name": "instruction", "dtype": "int32", "shape": ["batch", 6]}
    assert load_exported(exported("numbers")).description.outputs[2:4] == ("mean", "log_std")


def test_the_file_itself_says_the_same_and_its_batch_is_open(exported):
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported("looking") / "model.onnx").graph
    onnx.checker.check_model(onnx.load(exported("looking") / "model.onnx"))
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes["touch"] == ["batch", 3] and shapes["present"] == ["batch", 2] and shapes["start"] == ["batch"]
    assert shapes["logits"] == ["batch", 3] and shapes["state"] == ["batch", 8] and shapes["value"] == ["batch"]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} does not match its checksum"):
        load_exported(copy)
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
        load_exported(copy)


def changed(folder, **changes):
    content = json.loads((folder / "model.json").read_text())
    del content["sha256"]
    write_sealed(folder / "model.json", content | changes)


def test_an_edited_description_is_refused(copy):
    text = (copy / "model.json").read_text()
    (copy / "model.json").write_text(text.replace('"memory": ', '"memory": 1'))
    with pytest.raises(CheckpointError, match="does not match its own checksum"):
        load_exported(copy)
    (copy / "model.json").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_exported(copy)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 2}, "version 1; got"),
        ({"files": {"../model.onnx": "0" * 64}}, "does not describe"),
        ({"file": "model.pt"}, "does not describe"),
        ({"memory": 17}, 'an input "memory"'),
        ({"inputs": []}, "lacks the input"),
        ({"outputs": ["state", "gates"]}, "no output"),
        ({"actions": {"sort": "Discrete"}}, "saved space"),
        ({"origin": {}}, "does not describe"),
        ({"more": 1}, "does not describe"),
    ],
)
def test_a_description_of_something_else_is_refused(copy, changes, told):
    changed(copy, **changes)
    with pytest.raises(CheckpointError, match=told):
        load_exported(copy)


def test_an_unknown_format_is_refused_with_did_you_mean(copy, tmp_path):
    changed(copy, to="onx")
    with pytest.raises(UnknownNameError, match='did you mean "onnx"'):
        load_exported(copy)
    with pytest.raises(UnknownNameError, match="export format"):
        export(policy_of("plain"), tmp_path / "new", to="tflite")
    assert EXPORT_FORMATS.names == ("onnx", "torch") and not (tmp_path / "new").exists()


def test_a_file_that_can_run_code_is_opened_only_where_the_caller_trusts_it(exported):
    folder = exported("plain@torch")
    assert (folder / "model.pt2").exists()
    with pytest.raises(ConfigError, match="can run code when it is opened"):
        load_exported(folder)
    trusted, other = load_exported(folder, trusts_code=True), load_exported(exported("plain"))
    said = {"touch": np.ones((3, 3), np.float32), "instruction": ["go", "", "open the door"]}
    np.testing.assert_allclose(trusted.act(said, greedy=True).numbers, other.act(said, greedy=True).numbers, atol=1e-5)


def test_what_is_no_policy_of_ours_is_refused(tmp_path):
    with pytest.raises(ExportError, match="it is no actor-critic policy"):
        export(policy_of("plain").mlp_extractor, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_not_read_from_an_exported_folder(exported):
    with pytest.raises(CheckpointError, match="holds no weights to learn with"):
        Perception.from_pretrained(exported("plain"))


def test_a_perception_alone_perceives_and_does_not_act(exported):
    model = load_exported(exported("quick"))
    assert type(model) is Exported and model.description.actions is None
    seen = model.perceive({"vector": [np.zeros(3), None]})
    assert seen.state.shape == (2, 8) and seen.gates["vector"][1] == 0.0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("looks", "cannot be traced into a graph.*look at LooksAtValues"),
        ("random", 'gives another "state" than torch.*at random'),
    ],
)
def test_an_encoder_that_cannot_be_exported_is_one_sentence(exported_error, name, told):
    error, files = exported_error(name)
    assert error.startswith("ExportError: ") and files == []
    assert re.search(told, error), error
