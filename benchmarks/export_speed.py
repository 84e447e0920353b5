"""How fast is an exported perception, and how far is it from torch? Batches of 1 and of 64, on one core.

    python benchmarks/export_speed.py            2 to 5 minutes, most of them torch's compiler
    python benchmarks/export_speed.py RUN        the perception of a trained run, in place of an untrained one

Eager torch, the same compiled (inductor with its C++ wrapper, as `train --compile` on a CPU), torch.export's file,
onnxruntime in float32, and int8 (onnxruntime's dynamic quantisation of the matrix products). The senses are those of
`make train`: 64 x 64 RGB, 0.1 s of stereo sound, 48 tokens. Contenders take turns, round by round, and the median of
the rounds is shown. The error is the largest difference from eager torch, in parts of the largest number of its states
where that is above 1. `prepare` is what comes before the graph: raw readings and a text to arrays.
"""

import argparse
import functools
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.result_rows import Result, add_option, write_results
from parts.stopwatch import take_turns
from parts.tables import print_json, print_table, tell

from senseweave.perception import Camera, Instruction, Microphone, Perception, Spec
from senseweave.policies.export import export as write_exported
from senseweave.policies.export import load_exported
from senseweave.policies.ppo.ppo import COMPILER_OPTIONS

SENSES = Spec(camera=Camera(64, 64), audio=Microphone(2, 1600, 16000), instruction=Instruction(48, 1024))
BATCHES = (1, 64)
Run = Any
"""Arrays by name in, states out."""


def raw_readings(spec: Spec, rows: int) -> dict[str, np.ndarray]:
    """Random frames, noise and full instructions; senses of other kinds are left out, and so absent."""
    numbers = np.random.default_rng(rows)
    made: dict[str, np.ndarray] = {}
    for name, kind in spec.items():
        if isinstance(kind, Camera):
            made[name] = numbers.integers(0, 256, (rows, *kind.shape), np.uint8)
        elif isinstance(kind, Microphone):
            made[name] = numbers.uniform(-0.5, 0.5, (rows, *kind.shape)).astype(np.float32)
        elif isinstance(kind, Instruction):
            made[name] = numbers.integers(1, kind.vocab_size, (rows, *kind.shape)).astype(np.int32)
    return made


def contenders(perception: Perception, folder: Path, *, compiles: bool) -> dict[str, Run]:
    """Name -> (arrays) -> states, of every way to run it."""
    ways: dict[str, Run] = {"eager": _of_torch(perception)}
    if compiles:
        tell("compiling")
        ways["compiled"] = _of_torch(torch.compile(perception, options=COMPILER_OPTIONS, dynamic=False))
    tell("exporting")
    for name, to in (("torch.export", "torch"), ("onnxruntime float32", "onnx")):
        exported = load_exported(write_exported(perception, folder / to, to), trusts_code=True)
        ways[name] = lambda arrays, exported=exported: exported.run(arrays)["state"]
    ways["onnxruntime int8"] = _quantised(folder / "onnx" / "model.onnx", folder / "int8.onnx")
    return ways


def _of_torch(function: Any) -> Run:
    def states(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return function({name: torch.from_numpy(array) for name, array in arrays.items()}).embedding.numpy()

    return states


def _quantised(model: Path, target: Path) -> Run:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it tells of every number that it leaves as it is
    quantize_dynamic(model, target, weight_type=QuantType.QInt8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(["state"], dict(arrays))[0]


def main() -> None:
    """Times, prints, writes rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="run directory, whose perception is timed")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="a smoke test without a compiler")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    perception = (Perception(SENSES) if options.run is None else Perception.from_pretrained(options.run)).eval()
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ways = contenders(perception, Path(folder), compiles=not options.quick)
        exported = load_exported(Path(folder) / "onnx")
        for batch in BATCHES:
            tell(f"timing batches of {batch}")
            arrays = exported.prepare(raw_readings(perception.spec, batch)).arrays
            right = ways["eager"](arrays)
            for name, states in ways.items():
                gap = float(np.abs(states(arrays) - right).max()) / max(1.0, float(np.abs(right).max()))
                rows.setdefault(name, {})["error"] = max(gap, rows.get(name, {}).get("error", 0.0))
            jobs = {name: functools.partial(states, arrays) for name, states in ways.items()}
            if batch == 1:
                one = {name: part[0] for name, part in raw_readings(perception.spec, 1).items()} | _said(
                    perception.spec
                )
                jobs["prepare"] = functools.partial(exported.prepare, one)
                rows["prepare"] = {}
            calls = 20 if batch == 1 else 2
            for name, timing in take_turns(
                jobs, rounds=2 if options.quick else options.rounds, calls=calls, warm_up=2
            ).items():
                rows[name][f"batch {batch}, ms"] = timing.median_wall_ms
                rows[name][f"batch {batch}, CPU ms"] = timing.median_cpu_ms
    _report(options, rows)


def _said(spec: Spec) -> dict[str, str]:
    return dict.fromkeys(spec.of_kind(Instruction), "go to the red ball")


def _report(options: argparse.Namespace, rows: dict[str, dict[str, float]]) -> None:
    columns = [f"batch {batch}, {unit}" for batch in BATCHES for unit in ("ms", "CPU ms")]
    print_table(
        "a laptop-sized perception on one core",
        ["", *columns, "error"],
        [
            [name, *(f"{row[column]:.2f}" if column in row else "-" for column in columns)]
            + [f"{row['error']:.1e}" if "error" in row else "-"]
            for name, row in rows.items()
        ],
    )
    results = [
        Result(
            name,
            {column: [row[column]] if column in row else [] for column in columns}
            | {"error, 1e-6": [1e6 * row["error"]] if "error" in row else []},
        )
        for name, row in rows.items()
    ]
    write_results(options, "export-speed", results)
    if options.json:
        print_json({"rows": rows})


if __name__ == "__main__":
    main()
