"""Files are whole or not there: atomic writes, checksums, and a sentence for whatever else lies on the disk."""

import json
import os
import pathlib
import random
import stat

import pytest
import torch
from safetensors.torch import save

from senseweave.perception import files
from senseweave.perception.errors import CheckpointError
from senseweave.perception.files import (
    digest,
    in_own_names,
    load_strictly,
    read_json,
    read_tensors,
    require_fit,
    shapes_of,
    weights_of,
    write_atomically,
    write_tensors,
)

TENSORS = {
    "bias": torch.arange(3.0),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "number": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "flag": torch.tensor([True, False]),
}


def test_tensors_come_back_bit_for_bit_with_their_metadata(tmp_path):
    write_tensors(tmp_path / "a.safetensors", TENSORS, {"note": "ünïcode"})
    tensors, metadata = read_tensors(tmp_path / "a.safetensors")
    assert metadata["note"] == "ünïcode" and set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert torch.equal(tensors[name], tensor) and tensors[name].dtype == tensor.dtype


def test_transposed_and_shared_tensors_can_be_written(tmp_path):
    base = torch.arange(6.0).view(2, 3)
    write_tensors(tmp_path / "a.safetensors", {"one": base, "other": base, "turned": base.T}, {})
    tensors, _ = read_tensors(tmp_path / "a.safetensors")
    assert torch.equal(tensors["one"], tensors["other"]) and torch.equal(tensors["turned"], base.T)


@pytest.mark.parametrize(
    "changed",
    [
        {"bias": torch.tensor([0.0, 1.0, 2.5])},
        {"bias": torch.arange(3)},
        {"bias": torch.arange(3.0)[None]},
        {"bias": torch.tensor([-0.0, 1.0, 2.0])},
    ],
)
def test_a_digest_knows_values_types_shapes_and_names(changed):
    assert digest(TENSORS | changed) != digest(TENSORS)
    assert digest({"b" + name: tensor for name, tensor in TENSORS.items()}) != digest(TENSORS)
    assert digest(dict(reversed(TENSORS.items()))) == digest(TENSORS)


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {})
    content = path.read_bytes()
    for length in [*range(0, len(content), 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="restore it or use an older save"):
            read_tensors(path)


def test_bytes_that_were_appended_are_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_a_bit_flip_anywhere_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, TENSORS, {"note": "kept"})
    content, numbers, noticed = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        flipped = bytearray(content)
        flipped[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
        path.write_bytes(flipped)
        try:
            tensors, _ = read_tensors(path)
        except CheckpointError:
            noticed += 1
        else:
            assert digest(tensors) == digest(TENSORS)
    assert noticed > 200


FOREIGN = [
    ("nothing", b""),
    ("text", b"not tensors"),
    ("a pickle", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin."),
    ("a zip", b"PK\x03\x04" + bytes(100)),
    ("a huge header", (2**62).to_bytes(8, "little") + bytes(100)),
    ("a header of nonsense", (4).to_bytes(8, "little") + b"{[}]"),
    ("tensors without a checksum", save({"bias": torch.ones(2)})),
]


@pytest.mark.parametrize("content", [row[1] for row in FOREIGN], ids=[row[0] for row in FOREIGN])
def test_foreign_content_is_refused(content, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "a.safetensors")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CheckpointError, match="is missing|is a folder"):
            read_tensors(path)
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_json(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"3", b'{"a": 1,}', b"null", b"[" * 100_000]
)
def test_what_is_no_json_object_is_refused(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_json(tmp_path / "config.json")


def test_a_write_makes_its_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two" and os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("where", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(where, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, where, fail)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_writing_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        write_atomically(tmp_path / "file" / "below", b"")


def test_others_may_read_a_file_as_they_may_read_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "written", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "written")]
    assert modes[0] == modes[1]


def test_weights_that_do_not_fit_change_nothing():
    module = torch.nn.Linear(3, 2)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    good = {name: tensor + 1 for name, tensor in before.items()}
    source = pathlib.Path("weights")
    for bad, told in [
        ({"weight": good["weight"]}, "lacks bias"),
        (good | {"extra": torch.ones(1)}, "unknown extra"),
        (good | {"bias": torch.ones(3)}, r"bias has shape \(3,\), not \(2,\)"),
        ({}, "2 missing"),
    ]:
        with pytest.raises(CheckpointError, match=told):
            load_strictly(module, bad, source)
        assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    load_strictly(module, good, source)
    assert all(torch.equal(tensor, good[name]) for name, tensor in module.state_dict().items())


def test_json_is_read_as_utf_8(tmp_path):
    (tmp_path / "config.json").write_bytes(json.dumps({"name": "Zoë"}, ensure_ascii=False).encode())
    assert read_json(tmp_path / "config.json") == {"name": "Zoë"}


class Twice(torch.nn.Module):
    """One layer under two names, as the perception has three in a policy of stable-baselines3."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.pi_layer = self.layer


def test_a_tensor_with_several_names_is_held_once_and_put_back_under_all_of_them():
    module, other = Twice(), Twice()
    held = weights_of(module)
    assert set(held) == {"layer.weight", "layer.bias"} and not held["layer.weight"].requires_grad
    load_strictly(other, held, "weights")
    assert torch.equal(other.pi_layer.weight, module.layer.weight)
    assert in_own_names(other, held).keys() == other.state_dict().keys()


def test_weights_that_hold_every_copy_are_read_unless_the_copies_differ():
    module, own = Twice(), shapes_of(Twice)
    whole = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    require_fit(own, whole, "weights")
    load_strictly(module, whole, "weights")
    assert torch.equal(module.layer.bias, whole["layer.bias"])
    differing = whole | {"pi_layer.bias": whole["layer.bias"] + 1}
    with pytest.raises(CheckpointError, match=r"layer\.bias and pi_layer\.bias are one tensor: its copies differ"):
        load_strictly(module, differing, "weights")
    assert torch.equal(module.layer.bias, whole["layer.bias"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layer.bias": None}, "lacks layer.bias"),
        ({"pi_layer.bias": torch.ones(2)}, r"pi_layer\.bias has shape \(2,\)"),
        ({"vf_layer.bias": torch.ones(1)}, "unknown vf_layer.bias"),
    ],
)
def test_copies_are_no_way_around_the_check_of_names_and_shapes(change, told):
    whole = {name: part for name, part in (Twice().state_dict() | change).items() if part is not None}
    with pytest.raises(CheckpointError, match=told):
        require_fit(shapes_of(Twice), whole, "weights")
    with pytest.raises(CheckpointError, match=told):
        load_strictly(Twice(), whole, "weights")


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's own import
def test_a_compiled_part_is_known_by_the_names_that_it_has_without_the_compiler():
    plain, compiled = Twice(), Twice()
    compiled.layer = torch.compile(compiled.layer)
    assert weights_of(compiled).keys() == weights_of(plain).keys()
    load_strictly(compiled, weights_of(plain), "weights")
    assert torch.equal(compiled.pi_layer.weight, plain.layer.weight)
