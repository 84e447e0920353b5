"""Run an exported agent in a loop of numpy and onnxruntime: no torch, and nothing of senseweave but its tokenizer.

python examples/exported_loop.py DIR [STEPS] [INSTRUCTION]      DIR is what `senseweave export RUN --out DIR` wrote
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
import tokenizers


def main(folder: str, steps: str = "20", instruction: str = "go to the red ball") -> None:
    """Acts on a camera that sees noise for half of the time and is gone for the other half; prints what it does."""
    told = json.loads(pathlib.Path(folder, "model.json").read_text())
    session = onnxruntime.InferenceSession(pathlib.Path(folder, "model.onnx"))
    tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(folder, "tokenizer.json")))
    names = sorted(told["spec"])  # the order of `present` and of the gates
    senses = {port["name"]: np.zeros([1, *port["shape"][1:]], port["dtype"]) for port in told["inputs"]}
    ids = tokenizer.encode(instruction).ids[: senses["instruction"].shape[1]]
    senses["instruction"][0, : len(ids)] = ids
    if told["memory"]:
        senses["start"][:] = True
    numbers = np.random.default_rng(0)
    for step in range(int(steps)):
        here = {"instruction": True, "camera": step < int(steps) // 2}  # the rest is absent, whatever stands there
        senses["present"][0] = [here.get(name, False) for name in names]
        if "camera" in senses:
            senses["camera"][0] = numbers.integers(0, 256, senses["camera"].shape[1:], np.uint8)
        out = dict(zip(told["outputs"], session.run(told["outputs"], senses), strict=True))
        if told["memory"]:
            senses |= {"memory": out["memory_out"], "start": np.array([False])}
        action = told["origin"]["action_names"][int(out["logits"][0].argmax())]
        gates = "  ".join(f"{name} {gate:.2f}" for name, gate in zip(names, out["gates"][0], strict=True))
        print(f"{step}: {action:<8}{gates}")


if __name__ == "__main__":
    main(*sys.argv[1:])
