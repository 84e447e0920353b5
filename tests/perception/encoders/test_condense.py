"""Observations whose grids are condensed: the same state and gradients, and the same contract for what is absent."""

import pytest
import torch

from senseweave.perception import Grid, Perception, PerceptionConfig, Spec, Vector
from senseweave.perception.encoders.grid import MIN_DISTINCT, GridEncoder
from senseweave.perception.encoders.registry import ENCODERS
from senseweave.perception.errors import ObservationError

SIZES = (4, 3, 2)
SPEC = Spec(touch=Vector(2), view=Grid(5, 3, SIZES))
ROWS, VIEW = 200, 1
ENOUGH = 10_000
"""So many samples at a time that it pays."""


@pytest.fixture
def perception():
    torch.manual_seed(0)
    return Perception(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))


def observation(rows: int = ROWS):
    generator = torch.Generator().manual_seed(1)
    channels = [torch.randint(0, size, (rows, 5, 3), generator=generator, dtype=torch.uint8) for size in SIZES]
    present = torch.ones(rows, 2)
    present[1, VIEW] = present[2, 0] = 0.0
    return {
        "touch": torch.rand(rows, 2, generator=generator),
        "view": torch.stack(channels, dim=-1),
        "present": present,
    }


def assert_same(one, other):
    torch.testing.assert_close(one.embedding, other.embedding, rtol=1e-5, atol=1e-6)
    assert torch.equal(one.present, other.present) and torch.equal(one.non_finite, other.non_finite)
    assert all(torch.allclose(one.gates[name], other.gates[name], atol=1e-6) for name in one.gates)


def test_the_state_and_the_gradients_are_the_same(perception):
    seen = observation()
    condensed = perception.condense(seen, ENOUGH)
    assert condensed.keys() == {"touch", "view_numbers", "view_distinct", "present"}
    assert_same(perception(condensed), perception(seen))
    weights = list(perception.parameters())
    goal = torch.randn(ROWS, 16, generator=torch.Generator().manual_seed(2))
    own, expected = (
        torch.autograd.grad((perception(given).embedding * goal).sum(), weights) for given in (condensed, seen)
    )
    for gradient, wanted in zip(own, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4)


def test_some_rows_go_with_all_distinct_cells(perception):
    seen, rows = observation(), torch.tensor([7, 1, 150])
    condensed = perception.condense(seen, ENOUGH)
    some = {name: part if name == "view_distinct" else part[rows] for name, part in condensed.items()}
    assert_same(perception(some), perception({name: part[rows] for name, part in seen.items()}))


def test_each_distinct_cell_is_told_once_with_its_place(perception):
    seen = observation()
    del seen["present"]
    condensed = perception.condense(seen, ENOUGH)
    numbers, distinct = condensed["view_numbers"], condensed["view_distinct"]
    told = distinct[numbers.long()]
    assert torch.equal(told[..., :3], seen["view"].flatten(1, 2).int())
    assert (told[..., 3] == torch.arange(15)).all()
    used = distinct[: int(numbers.max()) + 1]
    assert len(used.unique(dim=0)) == len(used) <= 15 * 4 * 3 * 2
    assert MIN_DISTINCT <= len(distinct) < 2 * len(used) and len(distinct).bit_count() == 1


@pytest.mark.parametrize(
    ("dtype", "content"), [(torch.uint8, 250), (torch.int64, -3), (torch.int64, 2**40), (torch.int16, 3000)]
)
def test_categories_beyond_the_sizes_count_as_in_whole_views(perception, dtype, content):
    seen = observation()
    seen["view"] = seen["view"].to(dtype)
    seen["view"][5:9] = content
    assert_same(perception(perception.condense(seen, ENOUGH)), perception(seen))


def test_small_signed_numbers_reach_large_sizes():
    torch.manual_seed(0)
    perception = Perception(Spec(view=Grid(2, 2, (200,))), PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    seen = torch.randint(0, 128, (9, 2, 2, 1))
    expected = perception({"view": seen}).embedding
    for dtype in (torch.int8, torch.uint8, torch.float32):
        assert torch.equal(perception({"view": seen.to(dtype)}).embedding, expected)
    condensed = perception.condense({"view": seen.to(torch.int8)}, ENOUGH)
    torch.testing.assert_close(perception(condensed).embedding, expected)


def test_two_grids_are_condensed_each_by_itself():
    spec = Spec(map=Grid(4, 4, (3, 2)), view=Grid(5, 3, SIZES))
    torch.manual_seed(0)
    perception = Perception(spec, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    seen = {"map": torch.randint(0, 2, (ROWS, 4, 4, 2), dtype=torch.uint8), "view": observation()["view"]}
    condensed = perception.condense(seen, ENOUGH)
    assert condensed.keys() == {f"{name}_{part}" for name in ("map", "view") for part in ("numbers", "distinct")}
    assert_same(perception(condensed), perception(seen))
    del condensed["map_numbers"], condensed["map_distinct"]
    assert_same(perception(condensed), perception({"view": seen["view"]}))


def test_an_encoder_of_somebody_elses_sees_every_cell():
    class Twice(GridEncoder):
        def forward(self, cells):
            group = super().forward(cells)
            return group._replace(tokens=2.0 * group.tokens)

    perception = Perception(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    assert "view_numbers" in perception.condense(observation(), ENOUGH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENCODERS, Grid, Twice)
        other = Perception(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    assert other.condense(observation(), ENOUGH).keys() == observation().keys()


def test_numbers_of_any_type_are_read(perception):
    condensed = perception.condense(observation(), ENOUGH)
    expected = perception(condensed).embedding
    for dtype in (torch.int16, torch.int64, torch.float32):
        changed = condensed | {f"view_{part}": condensed[f"view_{part}"].to(dtype) for part in ("numbers", "distinct")}
        assert torch.equal(perception(changed).embedding, expected)


@pytest.mark.parametrize("suffix", ["numbers", "features"])
def test_such_a_name_beside_another_sense_is_a_sense_of_its_own(suffix):
    torch.manual_seed(0)
    spec = Spec(**{"lottery": Vector(3), f"lottery_{suffix}": Vector(2)})
    perception = Perception(spec, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    state = perception({"lottery": torch.ones(1, 3), f"lottery_{suffix}": torch.ones(1, 2)})
    assert state.present.tolist() == [[True, True]]
    assert perception({f"lottery_{suffix}": torch.ones(1, 2)}).present.tolist() == [[False, True]]


def test_what_an_absent_view_holds_does_not_matter(perception):
    seen = observation()
    expected = perception.condense(seen, ENOUGH)
    seen["view"][1] = 3
    condensed = perception.condense(seen, ENOUGH)
    assert all(torch.equal(condensed[name], part) for name, part in expected.items())
    embedding = perception(condensed).embedding
    condensed["view_numbers"][1] = condensed["view_numbers"].max()
    assert torch.equal(perception(condensed).embedding, embedding)


@pytest.mark.parametrize(
    ("change", "samples"),
    [
        (lambda view: view.float(), ENOUGH),  # as stable-baselines3 hands it on
        (lambda view: view, 60),  # 900 cells for 360 distinct ones
    ],
)
def test_a_grid_stays_where_it_cannot_be_condensed_or_that_does_not_pay(perception, change, samples):
    seen = observation()
    seen["view"] = change(seen["view"])
    condensed = perception.condense(seen, samples)
    assert condensed.keys() == seen.keys() and condensed["view"] is seen["view"]


def test_a_grid_with_too_many_combinations_stays():
    spec = Spec(view=Grid(2, 2, (256, 256, 256, 256)))
    perception = Perception(spec, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))
    seen = {"view": torch.zeros(3, 2, 2, 4, dtype=torch.uint8)}
    assert perception.condense(seen, ENOUGH).keys() == {"view"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda seen: seen.pop("view_numbers"), "go together"),
        (lambda seen: seen.pop("view_distinct"), "go together"),
        (lambda seen: seen.update(view_numbers=seen["view_numbers"][:, :3]), r"\(batch, 15\)"),
        (lambda seen: seen.update(view_distinct=seen["view_distinct"][:, :3]), r"\(batch, 4\)"),
        (lambda seen: seen.update(view_numbers=seen["view_numbers"][:3]), "one batch size"),
    ],
)
def test_what_is_condensed_in_a_wrong_way_is_refused(perception, change, says):
    seen = perception.condense(observation(), ENOUGH)
    change(seen)
    with pytest.raises(ObservationError, match=says):
        perception(seen)
