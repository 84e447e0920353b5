"""Charts by matplotlib have one style, and leave matplotlib's own alone."""

import builtins

import cv2
import matplotlib
import pytest

from senseweave.agent.show.palette import SENSES
from senseweave.agent.show.plots import DPI, SERIES, STYLE, plot
from senseweave.perception.errors import MissingExtraError


def test_a_chart_is_written_with_our_colours_and_the_style_ends_with_it(tmp_path):
    before = {name: matplotlib.rcParams[name] for name in STYLE}
    with plot(tmp_path / "chart.png", 4, 3) as axes:
        axes.barh(["a"], [1.0])
        assert not axes.spines["top"].get_visible()
    drawn = cv2.imread(str(tmp_path / "chart.png"))[..., ::-1]
    assert drawn.shape == (3 * DPI, 4 * DPI, 3)
    assert (drawn == SENSES["camera"]).all(axis=-1).sum() > 1000, "the first colour is the camera's"
    assert before == {name: matplotlib.rcParams[name] for name in STYLE} and len(set(SERIES)) == len(SERIES)


def test_several_columns_are_several_axes(tmp_path):
    with plot(tmp_path / "chart.png", 4, 2, columns=2, sharey=True) as (left, right):
        assert left.get_shared_y_axes().joined(left, right)


def test_what_fails_while_it_is_drawn_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), plot(tmp_path / "chart.png", 4, 2):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError("No module named 'matplotlib'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match='pip install "matplotlib'), plot(tmp_path / "chart.png", 4, 2):
        pass
