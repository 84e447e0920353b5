"""A script, not a test: checks the absence contract on compiled perceptions, in a process without the shape hook.

    python tests/contracts/absence/compiled.py FUSION[,FUSION...] BACKEND DTYPE COMPILED...

BACKEND is one of torch's, or "trainer": inductor as `train --compile` takes it on a CPU. COMPILED names what is
compiled and checked: "values" (forward without gradients), "gradients" (forward and backward),
"missing" (a key left out of the dict, on top of either), "maps" (`explain`). "brief" compiles one graph for a fusion,
`explain` with its backward, of senses whose encoders are traced fast. It prints faults, one a line, and exits with 1 if
there are any; a sensor that drops out through `present` must not compile anything again.
"""

import contextlib
import dataclasses
import pathlib
import random
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import torch  # noqa: E402
import torch._dynamo.config  # noqa: E402

from kit.absence_cases import PLACEHOLDERS, ROWS, Case, perception_of, readings, violations  # noqa: E402
from senseweave.perception.spec import PRESENT  # noqa: E402
from senseweave.policies.ppo.ppo import COMPILER_OPTIONS  # noqa: E402

SENSES = ("audio", "camera", "instruction")
FAST_SENSES = ("instruction", "vector")
CASES = 12


def some_cases(senses: tuple[str, ...]) -> list[Case]:
    """Cases that differ in masks, contents and placeholders; types stay, for those do mean another graph."""
    numbers = random.Random(0)
    return [
        Case(
            senses=senses,
            weights=0,
            content=3 * numbers.randrange(2**29),  # a multiple of 3: `present` keeps its type
            mask=[numbers.getrandbits(3 * ROWS), 0, 2 ** (3 * ROWS) - 1][0 if i > 2 else i],
            placeholders=tuple(numbers.choice(PLACEHOLDERS) for _ in senses),
            as_floats=False,
            broken=bool(i % 2),
            without=0,
            mate=numbers.randrange(ROWS),
        )
        for i in range(CASES)
    ]


def faults_of(fusion: str, backend: str, dtype: str, parts: set[str]) -> list[str]:
    """Compiles what `parts` names and returns what breaks."""
    brief = "brief" in parts
    senses = FAST_SENSES if brief else SENSES
    perception = perception_of(fusion, senses, 0)
    how: Any = {"options": COMPILER_OPTIONS} if backend == "trainer" else {"backend": backend}
    explained = torch.compile(perception.explain, fullgraph=True, **how)
    compiled = explained if brief else torch.compile(perception, fullgraph=True, **how)
    gradients = brief or "gradients" in parts

    def under(function):
        def call(obs):
            gradient = contextlib.nullcontext() if gradients else torch.no_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"), gradient:
                return function(obs)

        return call

    perceive, explain = under(compiled), under(explained)
    faults, cases = [], some_cases(senses)
    told: dict = {"gradients": gradients, "missing_keys": False, "alone": False}
    if brief:
        told["explain"] = explain
    faults += violations(cases[0], perception, perceive, **told)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for case in cases[1:]:
            faults += violations(case, perception, perceive, **told)
    faults += eager_faults(perceive, under(perception), senses, dtype)
    if "missing" in parts:
        for case in cases[:4]:
            case = dataclasses.replace(case, without=0b001, mask=0b110_011_101_110)
            faults += violations(case, perception, perceive, **told | {"missing_keys": True})
    if "maps" in parts:
        for case in cases[:4]:
            faults += violations(case, perception, perceive, explain, **told)
    return faults


def eager_faults(compiled, eager, senses: tuple[str, ...], dtype: str) -> list[str]:
    """Compiled and eager agree to rounding, also for content that is here and absurd."""
    obs = readings(senses, 5)
    numbers = obs["audio" if "audio" in senses else "vector"]
    numbers[0] = 1e30
    numbers[1] = -1e30
    obs[PRESENT] = torch.ones(ROWS, len(senses), dtype=torch.bool)
    one, other = compiled(obs).embedding.float(), eager(obs).embedding.float()
    tolerance = 1e-3 if dtype == "float32" else 0.2
    if not torch.isfinite(one).all() or not torch.allclose(one, other, rtol=tolerance, atol=tolerance):
        return [f"compiled and eager differ by {(one - other).abs().max().item()}"]
    return []


if __name__ == "__main__":
    torch.set_num_threads(1)
    named, backend, dtype, *parts = sys.argv[1:]
    found = []
    for fusion in named.split(","):
        found += [f"{fusion}: {fault}" for fault in faults_of(fusion, backend, dtype, set(parts))]
        torch.compiler.reset()
    print("\n".join(found))
    sys.exit(bool(found))
