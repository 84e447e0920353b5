"""Tensor fusion and its low-rank form: against loops in float64, against each other, and where a modality is absent."""

import itertools
import math

import numpy as np
import pytest
import torch

from kit.fusion_cases import NAMES, ROWS, fusion_of, groups_of
from senseweave.perception import ConfigError, Perception, PerceptionConfig, Spec, SpecError, Vector
from senseweave.perception.fusion.low_rank_tensor import LowRankProduct
from senseweave.perception.fusion.tensor import MOST, outer_product, vector_size


def vectors_of(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(ROWS, size, generator=generator, dtype=torch.float64) for size in sizes]


def product_by_loop(vectors):
    """[1; v] of every vector, multiplied entry by entry, one row after the other."""
    extended = [np.concatenate([[1.0], vector]) for vector in vectors]
    return np.array([math.prod(entries) for entries in itertools.product(*extended)])


def read_by(fusion, groups):
    """What the layer behind the product gets, and what the fusion makes of it."""
    seen = []
    hook = fusion.mix[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        embedding = fusion(groups).embedding
    hook.remove()
    return seen[0].numpy(), embedding


def heads_of(fusion, groups):
    """The small vectors h of all modalities, zeros where one is absent, by name."""
    with torch.no_grad():
        pooled, _ = fusion.pools(groups)
        return {
            name: (shrink(pooled[name]) * groups[name].available[:, None]).numpy()
            for name, shrink in fusion.vectors.items()
        }


@pytest.mark.parametrize("sizes", [(3,), (2, 4), (3, 1, 2), (2, 2, 3, 2)])
def test_the_outer_product_is_every_product_of_entries(sizes):
    vectors = vectors_of(sizes)
    found = outer_product(vectors).numpy()
    for row in range(ROWS):
        expected = product_by_loop([vector[row].numpy() for vector in vectors])
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


@pytest.mark.parametrize("absent", [("audio",), ("camera",), ("touch",), ("audio", "touch"), NAMES])
def test_an_absent_modality_leaves_the_product_of_the_others_and_zeros(absent):
    fusion, groups = fusion_of("tensor"), groups_of(absent=absent)
    product, _ = read_by(fusion, groups)
    heads = heads_of(fusion, groups)
    size = vector_size(len(NAMES)) + 1
    for row in range(ROWS):
        expected = np.zeros((size,) * len(NAMES))
        kept = tuple(0 if name in absent else slice(None) for name in NAMES)
        others = product_by_loop([heads[name][row] for name in NAMES if name not in absent])
        expected[kept] = others.reshape((size,) * (len(NAMES) - len(absent)))
        np.testing.assert_allclose(product[row], expected.ravel(), rtol=1e-12)
        assert np.array_equal(product[row] == 0, expected.ravel() == 0)


def test_with_a_modality_absent_the_state_is_that_of_a_tensor_of_lower_order():
    fusion, groups = fusion_of("tensor"), groups_of(absent=("camera",))
    _, embedding = read_by(fusion, groups)
    heads, size = heads_of(fusion, groups), vector_size(3) + 1
    weight = fusion.mix[0].weight.detach().numpy().reshape(-1, size, size, size)[:, :, 0, :]  # camera's appended 1
    for row in range(ROWS):
        product = product_by_loop([heads["audio"][row], heads["touch"][row]])
        hidden = weight.reshape(len(weight), -1) @ product + fusion.mix[0].bias.detach().numpy()
        with torch.no_grad():
            expected = fusion.mix[1:](torch.from_numpy(hidden)[None])[0]
        torch.testing.assert_close(embedding[row], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3, 2), (1, 2, 2, 3)])
def test_at_full_rank_the_low_rank_form_is_any_tensor_fusion(sizes):
    """W = sum over (i, j, ...) of e_i x e_j x ... x W[i, j, ..., :]: each rank picks one entry of all but the last."""
    outputs, last = 4, f"{len(sizes) - 1}"
    full = torch.nn.Linear(math.prod(size + 1 for size in sizes), outputs).double()
    weight = full.weight.detach().view(outputs, *[size + 1 for size in sizes])
    picks = list(itertools.product(*[range(size + 1) for size in sizes[:-1]]))
    low = LowRankProduct({f"{i}": size for i, size in enumerate(sizes)}, len(picks), outputs).double()
    with torch.no_grad():
        for _, factor in low.factors.items():
            factor.weight.zero_()
            factor.bias.zero_()
        low.bias.copy_(full.bias)
        for r, pick in enumerate(picks):
            rows = slice(r * outputs, (r + 1) * outputs)
            for i, entry in enumerate(pick):
                factor = low.factors[f"{i}"]
                if entry == 0:
                    factor.bias[rows] = 1.0
                else:
                    factor.weight[rows, entry - 1] = 1.0
            low.factors[last].bias[rows] = weight[(slice(None), *pick, 0)]
            low.factors[last].weight[rows] = weight[(slice(None), *pick, slice(1, None))]
    vectors = vectors_of(sizes)
    for absent in (None, *range(len(sizes))):
        here = [torch.zeros_like(vector) if i == absent else vector for i, vector in enumerate(vectors)]
        found = low({f"{i}": vector for i, vector in enumerate(here)})
        torch.testing.assert_close(found, full(outer_product(here)), rtol=1e-10, atol=1e-10)


def low_rank_by_loop(product, heads, row, without=()):
    """The equation in numpy, output by output; a modality in `without` gives its bias alone."""
    rank, outputs = product.rank, product.bias.numel()
    total = product.bias.detach().numpy().copy()
    for r, out in itertools.product(range(rank), range(outputs)):
        entry = 1.0
        for name, factor in product.factors.items():
            value = factor.bias[r * outputs + out].item()
            if name not in without:
                value += sum(
                    w * h for w, h in zip(factor.weight[r * outputs + out].tolist(), heads[name][row], strict=True)
                )
            entry *= value
        total[out] += entry
    return total


@pytest.mark.parametrize("absent", [(), ("audio",), ("camera", "touch"), NAMES])
def test_in_the_low_rank_form_an_absent_modality_contributes_its_bias_alone(absent):
    fusion, groups = fusion_of("low_rank_tensor"), groups_of(absent=absent)
    product, _ = read_by(fusion, groups)
    heads = heads_of(fusion, groups)
    for row in range(ROWS):
        expected = low_rank_by_loop(fusion.product, heads, row, absent)
        np.testing.assert_allclose(product[row], expected, rtol=1e-10)


def test_every_factor_of_the_low_rank_form_is_trained():
    fusion = fusion_of("low_rank_tensor")
    factors = {name: p for name, p in fusion.named_parameters() if name.startswith("product.factors.")}
    assert set(factors) == {f"product.factors.{name}.{part}" for name in NAMES for part in ("weight", "bias")}
    before = {name: factor.detach().clone() for name, factor in factors.items()}
    optimizer = torch.optim.SGD(fusion.parameters(), lr=0.1)
    fusion(groups_of()).embedding.square().sum().backward()
    optimizer.step()
    assert all((factors[name] != before[name]).all() for name in factors)


def test_the_product_stays_bounded_for_up_to_7_modalities():
    sizes = [vector_size(count) for count in range(1, 8)]
    assert sizes == [32, 31, 9, 4, 3, 2, 2]
    assert all((size + 1) ** count <= MOST for count, size in enumerate(sizes, start=1))


def test_too_many_modalities_are_told_of_the_low_rank_form():
    spec = Spec(**{f"touch_{i}": Vector(1) for i in range(8)})
    with pytest.raises(SpecError, match='got 8 senses. Choose fusion="low_rank_tensor"') as caught:
        Perception(spec, PerceptionConfig(fusion="tensor"))
    assert "\n" not in str(caught.value) and not isinstance(caught.value, ConfigError)
    Perception(spec, PerceptionConfig(fusion="low_rank_tensor"))
