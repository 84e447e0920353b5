"""Charts say what they were given, escape it, and colour a sense by its name; pages share one style."""

import math
import xml.etree.ElementTree as ElementTree

import jinja2
import numpy as np
import pytest

from senseweave.agent.show.charts import WIDTH, Bar, Chart, bars, key, nice_steps
from senseweave.agent.show.pages import TEMPLATES, render
from senseweave.agent.show.palette import OTHERS, SENSES, hexadecimal, sense_colours
from senseweave.agent.show.pixels import heat

HOSTILE = '<script>"&'


def parts(svg, tag):
    return [part for part in ElementTree.fromstring(str(svg)).iter() if part.tag == tag]


def test_the_usual_senses_have_their_own_colours_wherever_they_stand():
    for names in (["camera"], ["audio", "camera"], ["zoom", "instruction", "camera", "audio", "a"]):
        colours = sense_colours(names)
        assert list(colours) == sorted(names)
        assert all(colours[name] == SENSES[name] for name in names if name in SENSES)


def test_senses_of_other_names_keep_their_colours_in_any_company_and_differ():
    alone = sense_colours(["depth"])["depth"]
    assert sense_colours(["depth", "camera"])["depth"] == alone and alone in OTHERS
    many = sense_colours([f"sense {number}" for number in range(len(OTHERS))])
    assert len(set(many.values())) == len(OTHERS)
    assert len(sense_colours([f"sense {number}" for number in range(30)])) == 30


def test_a_bar_is_as_long_as_its_value_and_its_whisker_lies_around_its_end():
    named = {"half": Bar(0.5, "0.500", (0.4, 0.6)), "whole": Bar(1.0, "1.000"), "unsure": Bar(0.2, "x", (-math.inf, 1))}
    svg = bars(named, "shares", dict.fromkeys(named, SENSES["audio"]), top=1.0)
    widths = [float(part.get("width")) for part in parts(svg, "rect")]
    assert widths[0] == pytest.approx(widths[1] / 2, abs=0.1)
    assert [part.get("class") for part in parts(svg, "path")].count("whisker") == 1, "only finite intervals are drawn"
    assert {part.get("fill") for part in parts(svg, "rect")} == {hexadecimal(SENSES["audio"])}


def test_a_negative_bar_ends_where_bars_begin():
    named = {"good": Bar(0.5, "+0.5"), "bad": Bar(-0.5, "-0.5")}
    svg = bars(named, "differences", dict.fromkeys(named, OTHERS[0]))
    good, bad = parts(svg, "rect")
    assert float(bad.get("x")) + float(bad.get("width")) == pytest.approx(float(good.get("x")), abs=0.2)


def test_names_are_escaped_in_every_part_of_a_chart():
    chart = Chart(3.0, 50)
    chart.label(3, HOSTILE)
    colours = {HOSTILE: OTHERS[1]}
    for drawn in (chart.svg(HOSTILE), bars({HOSTILE: Bar(1.0, HOSTILE)}, HOSTILE, colours), key(colours)):
        assert "<script" not in drawn and "&lt;script" in drawn
        ElementTree.fromstring(str(drawn))


def test_a_curve_is_broken_where_it_is_not_finite_and_stays_inside_the_plot():
    chart = Chart(4.0, 100)
    chart.shares(np.arange(5.0), {"camera": np.array([0.0, 1.0, np.nan, 7.0, 0.5])}, sense_colours(["camera"]))
    way = next(part.get("d") for part in parts(chart.svg("gates"), "path") if part.get("class") == "curve")
    assert way.count("M") == 2
    points = [tuple(map(float, point.split())) for point in way.replace("M", "L").split("L")[1:]]
    assert all(0 <= x <= WIDTH and 0 <= y <= 100 for x, y in points)


def test_equal_neighbours_of_a_strip_are_one_rectangle():
    chart = Chart(5.0, 22)
    chart.strip(np.arange(6.0), np.array([0.0, 1.0, 1.0, 0.5, 0.0, 0.0]), 4, "#000000")
    track, *drawn = parts(chart.svg("presence"), "rect")
    assert track.get("class") == "track"
    assert [part.get("opacity") for part in drawn] == [None, "0.50"]


def test_an_axis_has_at_most_eight_round_places():
    for length in (0.01, 1.0, 9.9, 61.0, 3600.0, 1e6):
        steps = nice_steps(length)
        assert 1 <= len(steps) <= 8 and steps[0] == 0 and steps[-1] <= length * (1 + 1e-6)


def test_what_is_not_known_is_grey_in_a_picture_of_numbers():
    assert heat(np.array([0.0, 1.0, math.nan])).tolist() == [[18, 22, 52], [250, 230, 170], [215, 215, 215]]


def test_there_is_one_style_and_it_has_a_dark_side():
    style = (TEMPLATES / "style.css").read_text()
    assert "prefers-color-scheme: dark" in style
    light, dark = (style.split("prefers-color-scheme: dark")[part] for part in (0, 1))
    named = {line.split(":")[0].strip() for line in light.splitlines() if line.strip().startswith("--")}
    assert named == {line.split(":")[0].strip() for line in dark.splitlines() if line.strip().startswith("--")}
    for template in TEMPLATES.glob("*.j2"):
        assert "<style" not in template.read_text() or template.name == "page.html.j2"


def test_a_figure_that_a_template_names_and_nobody_gives_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        render("explain.html.j2")
