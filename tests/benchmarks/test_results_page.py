"""docs/results.md is made of benchmarks/results/: the page is up to date, and benchmarks write what it shows."""

import argparse
import json
import math
import re

import pytest

from kit.benchmarks import BENCHMARKS, script, shown_columns

ROOT = BENCHMARKS.parent


@pytest.fixture
def results_page(monkeypatch):
    return script(monkeypatch, "results_page")


@pytest.fixture
def result_rows(monkeypatch):
    return script(monkeypatch, "parts.result_rows")


def test_the_page_is_made_of_the_rows_that_are_here(results_page):
    assert results_page.PAGE.read_text(encoding="utf-8") == results_page.page(results_page.read_all())


def test_every_table_is_on_the_page_and_every_column_has_a_figure(results_page):
    tables = results_page.read_all()
    questions = [question for several in results_page.SECTIONS.values() for question in several]
    assert sorted(question.table for question in questions) == sorted(tables)
    for question in questions:
        figures = {column for row in tables[question.table] for column, values in row.figures.items() if values}
        assert set(question.columns) <= figures, question.table


def test_every_row_names_its_command_date_machine_and_as_many_seeds_as_figures(results_page):
    for table, rows in results_page.read_all().items():
        for row in rows:
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.date) and row.machine and row.command, (table, row.what)
            assert not row.seeds or len(row.seeds) == max(map(len, row.figures.values())), (table, row.what)


def test_the_scripts_of_the_commands_are_there_and_have_their_options(results_page):
    for rows in results_page.read_all().values():
        for command in {row.command for row in rows}:
            for path in re.findall(r"python (\S+\.py)", command):
                source = (ROOT / path).read_text(encoding="utf-8")
                options = re.findall(r" (--[a-z-]+)", command)
                sections = re.findall(
                    r'^ +"(\w+)",$', (BENCHMARKS / "contenders" / "trainer_plan.py").read_text(), re.MULTILINE
                )
                missing = [name for name in options if f'"{name}"' not in source and name[2:] not in sections]
                assert missing == [], command


@pytest.mark.parametrize(
    ("values", "form", "text"),
    [
        ([0.785], ".3f", ".785"),
        ([0.812, 0.785, 0.773], ".3f", ".785 (.773 to .812)"),
        ([1.0], ".3f", "1.000"),
        ([0.35], ".2f", "0.35"),
        ([41, None, None], ".0f", "- (41 to -)"),
        ([41, 40, None], ".0f", "41 (40 to -)"),
        ([1234.4], ",.0f", "1,234"),
        ([], ".3f", ""),
    ],
)
def test_a_cell_is_the_median_and_its_spread(results_page, values, form, text):
    assert results_page.cell(values, form) == text


def test_a_success_has_its_interval_over_episodes_and_beside_it_that_over_seeds(results_page):
    one = results_page.Question("t", "", "", {"x": ".3f", "s": ".0f"}, "", episodes={"x": 512})
    rows = [results_page.Result("a", {"x": [0.9], "s": [3.0]}), results_page.Result("b", {"x": [0.9, 0.8, 1.0]})]
    first, second = results_page.table(one, rows)[2:]
    assert first == "| a | .900 ±.026 | 3 |"  # 1.96 * sqrt(.9 * .1 / 512) is .026, and 4.303 * .1 / sqrt(3) .248
    assert second == "| b | .900 (.800 to 1.000) ±.026 ±.248 | |"


def test_success_in_a_printed_table_has_both_intervals_and_none_where_nothing_is_known(monkeypatch):
    shares = script(monkeypatch, "parts.shares")
    assert shares.each_share([0.9, 0.8, 1.0], 512) == "0.900 (0.900 0.800 1.000) ±0.026 ±0.248"
    assert shares.each_share([0.9], 512) == "0.900 ±0.026"
    assert shares.each_share([None, 0.9], 512) == "0.450 (- 0.900) ±0.026"
    assert shares.each_share([None], 512) == "-" and shares.each_share([0.9], 0) == "0.900"


def test_successes_whose_episodes_are_known_are_columns_of_their_table(results_page):
    questions = [question for several in results_page.SECTIONS.values() for question in several]
    assert sum(len(question.episodes) for question in questions) > 20
    for question in questions:
        assert set(question.episodes) <= set(question.columns), question.table


def test_a_long_command_is_broken_before_options(results_page):
    command = "python x.py " + " ".join(f"--option-{number} value" for number in range(12))
    lines = results_page.wrapped(command)
    assert len(lines) > 1 and max(map(len, lines)) <= 120
    assert " ".join(line.removesuffix("\\").strip() for line in lines) == command


def options_for(folder, **more):
    return argparse.Namespace(rows=folder, **more)


def test_rows_are_written_with_their_origin_and_take_the_place_of_rows_with_their_name(
    result_rows, monkeypatch, tmp_path
):
    monkeypatch.setattr("sys.argv", ["/a/place/fusions.py", "--json", "--rows", str(tmp_path), "--only", "sum"])
    one, two = (result_rows.Result(name, {"x": [1.23456, None, 1e6 / 3]}, (0, 1, 2)) for name in ("one", "two"))
    result_rows.write_results(options_for(tmp_path), "table", [one, two])
    result_rows.write_results(options_for(tmp_path), "table", [result_rows.Result("one", {"x": [5.0]})])
    first, second = result_rows.read_results(tmp_path / "table.json")
    assert (first.what, first.figures) == ("one", {"x": [5.0]})
    assert (second.what, second.figures) == ("two", {"x": [1.2346, None, 333333.0]})
    assert second.command == "python benchmarks/fusions.py --only sum"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", second.date) and "torch" in second.machine
    assert (tmp_path / "table.json").read_text().count("\n") == 4


def test_nothing_is_written_unless_it_is_asked_for(result_rows, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(result_rows, "RESULTS", tmp_path)
    rows = [result_rows.Result("one", {"x": [1.0]})]
    result_rows.write_results(options_for(None), "table", rows)
    result_rows.write_results(options_for(tmp_path, quick=True), "table", rows)
    result_rows.write_results(options_for(tmp_path), "table", [])
    assert list(tmp_path.iterdir()) == []
    assert "mean nothing" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--rows"], ["--rows", "a/folder"], ["--rows=a/folder"], ["--json"]])
def test_a_command_is_kept_without_what_only_says_where_figures_go(result_rows, words):
    line = ["benchmarks/fusions.py", *words, "--level", "SeekGrounded"]
    assert result_rows.command_line(line) == "python benchmarks/fusions.py --level SeekGrounded"


def figures_of(result):
    json.dumps(result.figures)
    return set(result.figures)


def test_the_race_and_the_speeds_of_trainers_have_the_columns_of_the_page(monkeypatch):
    trainers = script(monkeypatch, "trainers")
    row = {"contender": "sb3", "seed": 0, "frames_per_second": 100.0, "frames_to_97": None, "held_out_success": 0.9}
    row |= {f"seconds_to_{goal}": 9.0 for goal in (95, 97, 99)}
    failed = {"contender": "rllib", "seed": 0, "error": "it is not here"}
    (race,) = trainers.results_of(trainers.SECTIONS["tuned"], [row, failed])
    (speed,) = trainers.results_of(trainers.SECTIONS["seek"], [row, failed])
    assert (race.what, speed.what) == ("stable-baselines3 PPO", "Seek: stable-baselines3 PPO")
    assert figures_of(race) == shown_columns(monkeypatch, "race")
    assert figures_of(speed) == shown_columns(monkeypatch, "training-speed")
    assert speed.figures["x SB3"] == [1.0]


def test_episodes_to_99_has_the_columns_of_the_page(monkeypatch):
    episodes = script(monkeypatch, "episodes_to_99")
    rows = [
        {"level": "GoTo", "episodes": 8400, "frames": 125_000, "sampled": 0.985, "greedy": 0.914},
        {"level": "GoTo", "episodes": None, "frames": None, "sampled": 0.1, "greedy": 0.1},
    ]
    (result,) = episodes.results_of(rows, argparse.Namespace(levels=["GoTo"], seeds=[0, 1]))
    assert figures_of(result) == shown_columns(monkeypatch, "episodes-to-99")
    assert result.figures["thousand episodes"] == [8.4, None]


def test_live_and_spoken_rows_have_the_columns_of_the_page(monkeypatch):
    jitter = {"rate_hz": 30.0, "ticks": 60, "overruns": 0, "keeps": True, "timer_ms": {"p99": 1.0}}
    jitter |= {f"{name}_ms": 1.0 for name in ("jitter_p50", "jitter_p99", "jitter_max", "work_p50", "work_p99")}
    result = script(monkeypatch, "live_jitter").result_of(jitter)
    assert result.what == "30 Hz, recorded and reported"
    assert figures_of(result) >= shown_columns(monkeypatch, "live-jitter")
    still = {"resident_mb": 400.0, "threads": 20, "handles": 9}
    soak = {"at_mark": still, "at_end": still, "most": still, "ticks": 18_000, "overruns": 0, "events": {"absent": 2}}
    results = script(monkeypatch, "live_soak").results_of(soak)
    assert set().union(*map(figures_of, results)) == shown_columns(monkeypatch, "live-soak")
    heard = dict.fromkeys(("right", "article", "wrong", "others_taken", "near_taken", "stopped"), 1) | {"phrases": 4}
    result = script(monkeypatch, "speech_commands").result_of("Seek", "quiet", heard)
    assert figures_of(result) == shown_columns(monkeypatch, "speech") and math.isclose(
        result.figures["understood, %"][0], 50.0
    )
