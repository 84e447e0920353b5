"""`Registry`: names without imports, targets where they are, choices of installed packages, and plain refusals."""

import importlib.util
import sys
import threading
import time
import types
import warnings
from importlib import metadata
from pathlib import Path

import pytest

from kit.installed import install
from senseweave.perception.errors import ConfigError, MissingExtraError, UnknownNameError
from senseweave.perception.registry import Registry, lazy_names, moved_modules

LEARNT = "class Learnt:\n    pass\n\n\ndef made():\n    return 7\n"


@pytest.fixture
def fresh_modules():
    """Takes back what a test imports or puts among the modules."""
    before = dict(sys.modules)
    yield
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


@pytest.fixture
def package(tmp_path: Path, monkeypatch, fresh_modules) -> str:
    """A package with some modules, on the path and not imported yet."""
    folder = tmp_path / "shelf"
    (folder / "deeper").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "learnt.py").write_text(LEARNT)
    (folder / "deeper" / "__init__.py").write_text("")
    (folder / "deeper" / "learnt.py").write_text(LEARNT)
    (folder / "needy.py").write_text("import no_such_library_anywhere\n\n\nclass Needy:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "shelf"


@pytest.fixture
def colours(package: str) -> Registry:
    return Registry(
        "colour",
        {
            "red": ".learnt:Learnt",
            "blue": f"{package}.learnt:made",
            "none": None,
            "seven": int,
            "needy": ".needy:Needy",
        },
        package,
    )


def test_names_are_listed_in_order_and_nothing_is_imported(colours):
    assert colours.names == tuple(colours) == ("red", "blue", "none", "seven", "needy")
    assert len(colours) == 5 and "red" in colours and "needy" in colours
    assert repr(colours) == "Registry('colour', red, blue, none, seven, needy)"
    colours.require("needy")
    assert not any(name.startswith("shelf.") for name in sys.modules)


def test_a_target_is_imported_when_it_is_asked_for_and_stays_the_same(colours):
    learnt = colours["red"]
    assert learnt.__module__ == "shelf.learnt" and "shelf.needy" not in sys.modules
    assert colours["red"] is learnt and colours.get("red") is learnt
    assert colours["blue"]() == 7 and colours["seven"] is int


def test_a_target_that_is_none_is_a_choice(colours):
    assert colours["none"] is None and "none" in colours


def test_a_relative_target_is_looked_for_in_the_package_of_its_table(package):
    assert Registry("colour", {"red": ".learnt:Learnt"}, "shelf.deeper")["red"].__module__ == "shelf.deeper.learnt"
    assert Registry("colour", {"red": "..learnt:Learnt"}, "shelf.deeper")["red"].__module__ == "shelf.learnt"
    with pytest.raises(ConfigError, match='"red" is at .learnt:Learnt, but its table has no `package`'):
        _ = Registry("colour", {"red": ".learnt:Learnt"})["red"]


@pytest.mark.parametrize("name", ["rde", 3, None, ["red"], ("red",)])
def test_what_is_not_there_is_refused_and_a_slip_of_the_pen_is_recognised(colours, name):
    assert name not in colours and colours.get(name, "nothing") == "nothing"
    for ask in (colours.require, colours.__getitem__):
        with pytest.raises(UnknownNameError, match='The colour "') as caught:
            ask(name)
        assert (name != "rde") or 'did you mean "red"?' in str(caught.value)


def test_a_name_can_be_registered_once(colours, package):
    colours.register("green", f"{package}.learnt:Learnt")
    assert colours["green"] is colours["red"] and colours.names[-1] == "green"
    colours.register("seven", int)
    with pytest.raises(ConfigError, match='There is a colour "seven" already; register yours under another name.'):
        colours.register("seven", float)
    assert colours["seven"] is int


@pytest.mark.parametrize("name", ["", None, 3])
def test_what_is_no_name_cannot_be_registered(colours, name):
    with pytest.raises(ConfigError, match="The name of a colour must be a text; got"):
        colours.register(name, int)


def test_a_name_can_be_set_and_deleted_like_a_dictionarys(colours):
    colours["seven"] = float
    assert colours["seven"] is float
    del colours["seven"]
    assert "seven" not in colours and "seven" not in colours.names
    with pytest.raises(KeyError):
        del colours["seven"]


def test_a_library_that_is_missing_is_named(colours):
    with pytest.raises(MissingExtraError, match='The colour "needy" needs no_such_library_anywhere, which is not inst'):
        _ = colours["needy"]


def test_a_target_that_is_not_there_is_told_with_its_address(package):
    broken = Registry("colour", {"red": ".learnt:Unlearnt"}, package)
    with pytest.raises(ConfigError, match='The colour "red" is to be found at .learnt:Unlearnt, but is not there'):
        _ = broken["red"]


def test_the_group_of_entry_points_is_the_plural():
    groups = [Registry(kind, {}).group for kind in ("fusion", "memory", "export format")]
    assert groups == ["senseweave.fusions", "senseweave.memories", "senseweave.export_formats"]


def test_an_installed_package_adds_choices_that_are_found_on_the_first_miss(colours, package, tmp_path):
    install(
        tmp_path, "paints", {}, "[senseweave.colours]\nochre = shelf.deeper.learnt:Learnt\nteal = shelf.needy:Needy\n"
    )
    assert "ochre" not in colours.names and colours["seven"] is int
    assert "ochre" in colours and colours.names[-2:] == ("ochre", "teal")
    assert "shelf.deeper.learnt" not in sys.modules
    assert colours["ochre"].__module__ == "shelf.deeper.learnt"
    with pytest.raises(MissingExtraError, match="no_such_library_anywhere"):
        _ = colours["teal"]
    with pytest.raises(UnknownNameError, match='did you mean "ochre"?'):
        colours.require("ocre")


def test_a_package_that_fails_when_it_is_imported_is_named_in_one_sentence(colours, tmp_path):
    install(tmp_path, "paints", {}, "[senseweave.colours]\nochre = paints.dry:Dry\n")
    (tmp_path / "paints" / "dry.py").write_text("raise RuntimeError('no water')")
    with pytest.raises(ConfigError, match=r'"ochre" cannot be imported from paints.dry:Dry \(RuntimeError: no water\)'):
        _ = colours["ochre"]


def test_an_attribute_that_is_missing_while_a_module_is_run_is_not_taken_for_a_missing_name(colours, tmp_path):
    install(tmp_path, "paints", {"dry": "import os\nos.no_such_part"}, "[senseweave.colours]\nochre = paints.dry:Dry\n")
    with pytest.raises(ConfigError, match=r"cannot be imported from paints.dry:Dry \(AttributeError: .*no_such_part"):
        _ = colours["ochre"]


def test_the_same_target_may_be_registered_twice_before_it_is_loaded(colours, package):
    for _ in range(2):
        colours.register("green", ":".join([f"{package}.learnt", "Learnt"]))


def test_a_thread_that_asks_while_another_reads_the_entry_points_waits_for_them(colours, tmp_path, monkeypatch):
    install(tmp_path, "paints", {}, "[senseweave.colours]\nochre = shelf.learnt:Learnt\n")
    is_read, found, real = threading.Event(), [], metadata.entry_points

    def slowly(**group):
        is_read.set()
        time.sleep(0.2)
        return real(**group)

    monkeypatch.setattr(metadata, "entry_points", slowly)
    first = threading.Thread(target=lambda: found.append("ochre" in colours))
    first.start()
    is_read.wait(10)
    found.append("ochre" in colours)
    first.join()
    assert found == [True, True]


def test_where_warnings_are_errors_the_names_are_still_all_read(colours, tmp_path):
    install(tmp_path, "paints", {}, "[senseweave.colours]\nseven = shelf.learnt:Learnt\nochre = shelf.learnt:made\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="is left out"):
            colours.all_names()
        assert "ochre" in colours


def test_a_name_of_ours_is_not_taken_over_by_a_package(colours, tmp_path):
    install(tmp_path, "paints", {}, "[senseweave.colours]\nseven = shelf.learnt:Learnt\n")
    with pytest.warns(
        UserWarning, match='"seven" of senseweave.colours is declared by shelf.learnt:Learnt, but the name'
    ):
        assert "ochre" not in colours
    assert colours["seven"] is int


def test_entry_points_of_other_groups_are_nothing_to_it(colours, tmp_path):
    install(tmp_path, "sounds", {}, "[senseweave.tones]\nochre = shelf.learnt:Learnt\n")
    assert "ochre" not in colours


# Packages whose names are imported on first use.


def test_the_names_of_a_lazy_package_are_imported_one_by_one(package):
    get, listed, names = lazy_names(package, {"learnt": ("Learnt", "made"), "needy": ("Needy",)})
    assert listed() == names == ["Learnt", "Needy", "made"]
    assert "shelf.learnt" not in sys.modules
    assert get("made")() == 7 and "shelf.needy" not in sys.modules
    with pytest.raises(AttributeError, match="module 'shelf' has no attribute 'Unlearnt'"):
        get("Unlearnt")


def test_a_module_that_moved_is_found_under_its_old_name(package):
    moved_modules(package, {"old": (".learnt", ".deeper.learnt"), "gone": (".deeper",)})
    assert "shelf.learnt" not in sys.modules
    from shelf.old import Learnt, made  # pyright: ignore[reportMissingImports]

    assert made() == 7 and Learnt.__module__ == "shelf.learnt" and "shelf.deeper.learnt" not in sys.modules
    with pytest.raises(AttributeError, match=r"module 'shelf.old' has no attribute 'Unlearnt'; it moved to"):
        _ = sys.modules["shelf.old"].Unlearnt
    assert not hasattr(sys.modules["shelf.gone"], "__file__")


def test_a_module_that_moved_is_an_attribute_of_its_package_and_has_a_spec(package):
    __import__(package)
    moved_modules(package, {"old": (".learnt",)})
    assert __import__("shelf.old").old.made() == 7, "as `import shelf.old` gives `shelf.old.made`"
    assert importlib.util.find_spec("shelf.old") is not None


def test_a_module_that_is_there_is_not_replaced_by_one_that_moved(package):
    real = types.ModuleType("shelf.old")
    sys.modules["shelf.old"] = real
    moved_modules(package, {"old": (".learnt",)})
    assert sys.modules["shelf.old"] is real
