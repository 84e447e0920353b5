"""`ByKind`: a table that is asked for kinds and answers for their nearest ancestor."""

import dataclasses

import numpy as np
import pytest
from gymnasium import spaces

from kit.registries import unchanged
from senseweave.perception.errors import UnknownNameError
from senseweave.perception.kinds import KINDS, register_kind
from senseweave.perception.kinds.base import Kind
from senseweave.perception.kinds.by_kind import ByKind
from senseweave.perception.spec import Camera, Grid, Vector


def touch(name: str = "Touch", base: type[Kind] = Kind) -> type[Kind]:
    """A new kind; two of one name are the same class for a registry, as a cell of a notebook that is run again."""
    space = spaces.Box(0.0, 1.0, (2,), np.float32)
    body = {"dtype": np.float32, "space": lambda self: space, "__module__": __name__}
    return dataclasses.dataclass(frozen=True)(type(name, (base,), body))


@pytest.fixture
def table() -> ByKind[str]:
    return ByKind("smell", {"Camera": len, "Kind": repr, "Vector": "json:dumps"})


def test_a_kind_is_found_by_its_name_and_by_its_class(table):
    assert table["Camera"] is table[Camera] is len
    assert Camera in table and "Camera" in table and Grid not in table
    assert table.nearest(Camera(16, 16)) is len and table.nearest(Grid(3, 3, (2,))) is repr
    with pytest.raises(UnknownNameError, match='The smell "Grid" is not known'):
        _ = table[Grid]


def test_a_target_is_imported_when_its_kind_is_asked_for(table):
    assert table.nearest(Vector(3)).__module__ == "json"


def test_without_a_line_for_every_kind_there_may_be_nothing():
    assert ByKind("smell", {"Camera": len}).nearest(Vector(3)) is None


def test_a_kind_that_inherits_is_found_by_its_nearest_ancestor(table):
    small = dataclasses.dataclass(frozen=True)(type("Small", (Camera,), {}))
    smaller = dataclasses.dataclass(frozen=True)(type("Smaller", (small,), {}))
    assert table.nearest(smaller(16, 16)) is len
    table[small] = str
    assert table.nearest(smaller(16, 16)) is str and table.nearest(Camera(16, 16)) is len


def test_a_class_goes_before_the_name_and_can_be_taken_out_again(table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(table, Camera, str)
        assert table.nearest(Camera(16, 16)) is str and table["Camera"] is len
    assert table.nearest(Camera(16, 16)) is len
    mine = touch()
    table[mine] = str
    assert mine in table and table.nearest(mine()) is str
    del table[mine]
    assert mine not in table and table.nearest(mine()) is repr


def test_a_stranger_with_the_name_of_one_of_ours_is_not_taken_for_it(table):
    stranger = touch("Camera")
    assert stranger not in table and table.nearest(stranger()) is repr


def test_a_registered_kind_goes_by_its_name_also_when_its_class_is_made_again(table):
    with unchanged(KINDS):
        register_kind(touch())
        table["Touch"] = str
        again = touch()
        assert table.nearest(again()) is str
        register_kind(again)
        assert table.nearest(again()) is str
    assert table.nearest(touch()()) is repr, "nobody knows the name any more"
