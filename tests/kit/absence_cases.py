"""Cases of the absence contract and what they violate: pure functions of a few drawn numbers.

The eager property tests and the script that compiles share them. A case is a batch in which each row has a mask of its
own; `violations` says in words which of the laws A1 to A6 a perception breaks there. Nothing here imports pytest.

b rows of a batch, m modalities
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from senseweave.perception import (
    Camera,
    Depth,
    Grid,
    Instruction,
    Kind,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    State,
    TokenGroup,
    Vector,
)
from senseweave.perception.spec import PRESENT

KINDS: dict[str, Kind] = {
    "audio": Microphone(2, 400, 8000),
    "camera": Camera(16, 16),
    "depth": Depth(16, 16, 10.0),
    "grid": Grid(3, 3, (4, 3)),
    "instruction": Instruction(6, 32),
    "vector": Vector(3),
}
SENSES = (
    *itertools.combinations([name for name in KINDS if name != "depth"], 3),
    ("audio", "camera", "depth"),
    ("depth", "grid", "instruction"),
    ("camera", "depth", "vector"),
)
"""Three at a time: every pair of kinds meets, and a forward costs less than with all six."""
ROWS = 4
SMALL = {"width": 16, "latents": 2, "layers": 1, "heads": 2, "state_dim": 8}
PLACEHOLDERS = (0.0, 1e30, -1e30, math.nan, math.inf, -math.inf)
WHOLE_NUMBERS = {0.0: 0, 1e30: 2**31 - 1, -1e30: -(2**31), math.inf: 31, -math.inf: -1}

Perceive = Callable[[Mapping[str, Tensor]], State]


@dataclasses.dataclass(frozen=True)
class Case:
    """One batch: what is here, what stands where nothing is, and what else changes."""

    senses: tuple[str, ...]
    weights: int
    content: int
    mask: int
    placeholders: tuple[float, ...]
    as_floats: bool
    broken: bool
    without: int
    mate: int

    @property
    def spec(self) -> Spec:
        return Spec(**{name: KINDS[name] for name in self.senses})

    @property
    def here(self) -> Tensor:
        """Which modality is here, bool (b, m); the modalities in `without` are nowhere."""
        bits = torch.tensor([self.mask >> i & 1 for i in range(ROWS * len(self.senses))], dtype=torch.bool)
        gone = torch.tensor([self.without >> i & 1 for i in range(len(self.senses))], dtype=torch.bool)
        return bits.view(ROWS, -1) & ~gone


@functools.cache
def perception_of(
    fusion: str, senses: tuple[str, ...], weights: int, layers: int = 1, imputation: str = "none"
) -> Perception:
    """A small perception in which every parameter was moved, so that no gate and no bias is zero or as first set."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights)
        spec = Spec(**{name: KINDS[name] for name in senses})
        config = PerceptionConfig(fusion=fusion, imputation=imputation, **(SMALL | {"layers": layers}))
        perception = Perception(spec, config)
        randomise(perception)
    return perception


@torch.no_grad()
def randomise(perception: torch.nn.Module) -> None:
    """Adds noise to every parameter, from torch's own generator."""
    for parameter in perception.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)


def readings(senses: tuple[str, ...], seed: int, rows: int = ROWS, *, as_floats: bool = False) -> dict[str, Tensor]:
    """A batch of readings in which everything is here."""
    numbers = np.random.default_rng(seed)
    made = {
        "audio": (numbers.uniform(-0.7, 0.7, (rows, 2, 400)) * 32768).round().astype(np.float32) / 32768,
        "camera": numbers.integers(0, 256, (rows, 16, 16, 3), np.uint8),
        "depth": numbers.uniform(0.5, 9.5, (rows, 16, 16)).astype(np.float32),
        "grid": numbers.integers(0, (4, 3), (rows, 3, 3, 2)).astype(np.uint8),
        "instruction": numbers.integers(1, 32, (rows, 6)).astype(np.int32),
        "vector": numbers.normal(0.0, 2.0, (rows, 3)).astype(np.float32),
    }
    made["instruction"][:, 4:] = 0
    tensors = {name: torch.from_numpy(np.asarray(made[name])) for name in senses}
    return {name: tensor.float() for name, tensor in tensors.items()} if as_floats else tensors


def placed(reading: Tensor, absent: Tensor, placeholder: float) -> Tensor:
    """The reading with a placeholder in the absent rows, in the reading's own type."""
    if reading.dtype == torch.uint8:
        value = 0 if placeholder == 0.0 else 255
    elif not reading.is_floating_point():
        value = WHOLE_NUMBERS.get(placeholder, 7)
    else:
        value = placeholder
    filled = reading.clone()
    filled[absent] = value
    return filled


def present_of(here: Tensor, seed: int) -> Tensor:
    """The mask in one of the types that environments and libraries send."""
    return here.to((torch.bool, torch.int8, torch.float32)[seed % 3])


def rows_of(obs: Mapping[str, Tensor], row: int) -> dict[str, Tensor]:
    return {key: value[row : row + 1] for key, value in obs.items()}


def dirty_observation(case: Case) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The case with other placeholders and another row `mate`; also what is here then, and what is not finite."""
    names, m = case.spec.names, len(case.senses)
    here = case.here
    here[case.mate] = torch.tensor([(case.content >> i) & 1 for i in range(m)], dtype=torch.bool)
    clean = readings(case.senses, case.content, as_floats=case.as_floats)
    other = readings(case.senses, case.content + 1, as_floats=case.as_floats)
    said, non_finite, obs = here.clone(), torch.zeros_like(here), {}
    for i, name in enumerate(names):
        reading, placeholder = clean[name].clone(), case.placeholders[i]
        reading[case.mate] = other[name][case.mate]
        can_break = reading.is_floating_point() and not math.isfinite(placeholder)
        if case.broken and can_break:  # said to be here, but with one number that is none
            said[:, i] = True
            non_finite[:, i] = ~here[:, i]
            reading.flatten(1)[~here[:, i], case.content % reading[0].numel()] = placeholder
        else:
            reading = placed(reading, ~here[:, i], placeholder)
        obs[name] = reading
    return obs | {PRESENT: present_of(said, case.content)}, here, non_finite


def violations(
    case: Case,
    perception: Perception,
    perceive: Perceive,
    explain: Perceive | None = None,
    *,
    gradients: bool = True,
    missing_keys: bool = True,
    alone: bool = True,
) -> list[str]:
    """What a case breaks, in words; an empty list where the contract holds.

    Args:
        case: the batch.
        perception: the module, for its parameters.
        perceive: forward as it is tested: eager or compiled, under autocast or not.
        explain: the same for `Perception.explain`; attention maps go unchecked without it.
        gradients: whether to run backward.
        missing_keys: whether to leave keys out of the dict.
        alone: whether to compare a row with a batch of that row alone (float32 only).
    """
    here, names, broken = case.here, case.spec.names, []
    base = readings(case.senses, case.content, as_floats=case.as_floats)
    base = {name: placed(base[name], ~here[:, i], 0.0) for i, name in enumerate(names)}
    base[PRESENT] = present_of(here, case.content)
    leaves = _leaves(base) if gradients else {}
    state = (explain or perceive)(base | leaves)
    broken += state_faults(state, names, here, torch.zeros_like(here))
    if explain is not None:
        broken += map_faults(state, names, here)

    obs, dirty_here, non_finite = dirty_observation(case)
    leaves = _leaves(obs) if gradients else {}
    dirty = perceive(obs | leaves)
    broken += ["dirty " + fault for fault in state_faults(dirty, names, dirty_here, non_finite)]
    mates = torch.arange(ROWS) != case.mate
    if not torch.equal(dirty.embedding[mates], state.embedding[mates]):
        broken.append(
            f"A1, A4 or A5: rows {mates.nonzero().flatten().tolist()} differ by "
            f"{(dirty.embedding[mates] - state.embedding[mates]).abs().max().item()} when placeholders and row "
            f"{case.mate} change"
        )
    if _material(case, here, dirty_here) and torch.equal(dirty.embedding[case.mate], state.embedding[case.mate]):
        broken.append(f"A6: row {case.mate} has other content, but the same embedding")
    if gradients:
        broken += gradient_faults(perception, dirty.embedding, leaves, names, dirty_here)

    gone = [name for i, name in enumerate(names) if not here[:, i].any()]
    if missing_keys and gone:
        kept = {key: value for key, value in base.items() if key not in gone}
        if len(gone) < len(names) and here[:, [name not in gone for name in names]].all():
            del kept[PRESENT]  # no mask: everything in the dict is here
        without = perceive(kept)
        broken += ["without " + fault for fault in state_faults(without, names, here, torch.zeros_like(here))]
        if not torch.equal(without.embedding, state.embedding):
            broken.append(f"A2: leaving out {', '.join(gone)} is not the same as present = 0")
    if alone:
        single = perceive(rows_of(base, case.mate)).embedding[0]
        if not torch.allclose(single, state.embedding[case.mate], rtol=1e-5, atol=1e-5):
            gap = (single - state.embedding[case.mate]).abs().max().item()
            broken.append(f"A4: row {case.mate} alone differs from the same row in a batch by {gap}")
    return broken


def state_faults(state: State, names: tuple[str, ...], here: Tensor, non_finite: Tensor) -> list[str]:
    """What is wrong with the numbers of a state, given what is here."""
    faults = []
    if not torch.isfinite(state.embedding).all():
        faults.append("A3: the embedding is not finite")
    if not torch.equal(state.present, here):
        faults.append(f"present is {state.present.int().tolist()}, not {here.int().tolist()}")
    if not torch.equal(state.non_finite, non_finite):
        faults.append(f"non_finite is {state.non_finite.int().tolist()}, not {non_finite.int().tolist()}")
    for i, name in enumerate(names):
        gate = state.gates[name]
        if not ((gate == 0) == ~here[:, i]).all() or not ((gate >= 0) & (gate <= 1)).all():
            faults.append(f"the gate of {name} is {gate.tolist()} where it is here {here[:, i].int().tolist()}")
    return faults


def map_faults(state: State, names: tuple[str, ...], here: Tensor) -> list[str]:
    """What is wrong with attention maps; a fusion without any has none."""
    faults = []
    for name, weights in (state.attention or {}).items():
        present = here[:, names.index(name), None].float()
        if weights[here[:, names.index(name)] == 0].any():
            faults.append(f"A5: {name} has attention where it is absent")
        tolerance = 1e-5 if weights.dtype == torch.float32 else 0.05
        if (weights < 0).any() or not torch.allclose(
            weights.float().sum(-1), present.expand(weights.shape[:2]), rtol=0, atol=tolerance
        ):
            faults.append(f"A5: the attention over {name} does not sum to 1")
    return faults


def gradient_faults(
    perception: Perception, embedding: Tensor, leaves: Mapping[str, Tensor], names: tuple[str, ...], here: Tensor
) -> list[str]:
    """Runs backward; gradients must be finite everywhere and exactly 0 for content that is absent."""
    perception.zero_grad(set_to_none=True)
    direction = torch.linspace(-1.0, 1.0, embedding[0].numel())
    (embedding.float() * direction).sum().backward()
    faults = [
        f"A3: the gradient of {name} is not finite"
        for name, parameter in perception.named_parameters()
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
    ]
    for name, leaf in leaves.items():
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        absent = gradient[~here[:, names.index(name)]]
        if not torch.equal(absent, torch.zeros_like(absent)):
            faults.append(f"A1: absent {name} has a gradient")
        if not torch.isfinite(gradient).all():
            faults.append(f"the gradient of present {name} is not finite")
    return faults


def token_faults(fusion: torch.nn.Module, names: tuple[str, ...], seed: int, scale: float) -> list[str]:
    """What a fusion breaks when tokens that do not count change: those of absent senses, and padding."""
    generator = torch.Generator().manual_seed(seed)
    groups, changed = {}, {}
    for i, name in enumerate(names):
        tokens = torch.randn(ROWS, 1 + (seed + i) % 4, SMALL["width"], generator=generator)
        mask = torch.rand(tokens.shape[:2], generator=generator) < 0.7
        mask &= torch.rand(ROWS, 1, generator=generator) < 0.6
        other = torch.where(mask[..., None], tokens, scale * torch.randn(tokens.shape, generator=generator))
        groups[name], changed[name] = TokenGroup(tokens, mask), TokenGroup(other.requires_grad_(), mask)
    fused, again = fusion(groups), fusion(changed)
    again.embedding.float().square().sum().backward()
    faults = []
    if not torch.equal(fused.embedding, again.embedding):
        faults.append(f"tokens that do not count matter: {(fused.embedding - again.embedding).abs().max().item()}")
    for name, group in changed.items():
        gradient = torch.zeros_like(group.tokens) if group.tokens.grad is None else group.tokens.grad
        if gradient[~group.mask].any() or not torch.isfinite(gradient).all():
            faults.append(f"tokens of {name} that do not count have a gradient, or one is not finite")
        if not torch.equal(fused.gates[name] == 0, ~group.available):
            faults.append(f"the gate of {name} is {fused.gates[name].tolist()}")
        if name in fused.attention and (fused.attention[name] * ~group.mask[:, None]).any():
            faults.append(f"{name} has attention on tokens that do not count")
    return faults


def _leaves(obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float readings, as leaves of a graph."""
    return {
        key: value.clone().requires_grad_()
        for key, value in obs.items()
        if value.is_floating_point() and key != PRESENT and not key.endswith("_length")
    }


def _material(case: Case, here: Tensor, dirty_here: Tensor) -> bool:
    """Whether what is here in the row `mate` has changed; a grid of few categories may be the same by chance."""
    loud = torch.tensor([name != "grid" for name in case.senses])
    return bool((here[case.mate] & dirty_here[case.mate] & loud).any())
