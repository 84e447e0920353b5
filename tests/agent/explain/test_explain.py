"""`explain` catches a policy that ignores a sense, and works for every fusion, memory and way to save a run."""

import inspect
import json

import numpy as np
import pytest

from kit.worlds.two_senses import WORLD, cut, learner, saved
from senseweave.agent import cli
from senseweave.agent.explain.explain import as_text, explain
from senseweave.agent.explain.shapley import subsets
from senseweave.agent.play.chance import NONE
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.perception import FUSIONS
from senseweave.perception.attribution import integrated_gradients
from senseweave.perception.errors import ConfigError


@pytest.fixture(autouse=True)
def few_places(monkeypatch):
    """These policies are so sure of themselves that attributions would take all 512 places; 64 tell the same here."""
    monkeypatch.setitem(inspect.unwrap(integrated_gradients).__kwdefaults__, "most_points", 64)


def explained(model, folder, episodes=60, **settings):
    return explain(EvaluateConfig(saved(model, folder), env=WORLD, episodes=episodes, device="cpu", **settings))


@pytest.mark.parametrize("ignored", ["smell", "touch"])
def test_a_policy_that_ignores_a_sense_is_caught(tmp_path, ignored):
    model = learner("concat")
    cut(model, ignored)
    result = explained(model, tmp_path / "model")
    other = {"smell": "touch", "touch": "smell"}[ignored]
    assert result["senses"][ignored] == "ignores" and result["senses"][other] != "ignores"
    assert result["warnings"] == [f"This policy ignores its {ignored}."]
    shapley = result["shapley"]
    for kind in ("results", "choices", "log_probability"):
        assert shapley[kind][ignored]["value"] == 0.0 and shapley[kind][ignored]["interval"] == [0.0, 0.0]
    assert shapley["choices"][other]["interval"][0] > 0.05
    assert result["attributions"]["senses"][ignored]["absolute"] == 0.0
    assert result["attributions"]["senses"][other]["share"] == 1.0
    page = (tmp_path / "model" / "explain.html").read_text()
    assert f'<p class="warning">This policy ignores its {ignored}.</p>' in page
    if ignored == "smell":
        assert result["senses"]["touch"] == "uses" and shapley["measure"] == "success"
        assert result["verdict"] == "This policy uses its touch and ignores its smell."
        success = {tuple(row["senses"]): row["success_rate"] for row in result["subsets"]}
        assert success[("smell", "touch")] == success[("touch",)] > 0.9 > 0.75 > success[("smell",)] == success[()]
        assert shapley["results"]["touch"]["value"] == pytest.approx(success[("touch",)] - success[()])
        lost = {tuple(row["senses"]): row["difference"] for row in result["subsets"]}
        assert lost["smell", "touch"] is None and lost[("touch",)]["is_chance"] and not lost[("smell",)]["is_chance"]
        assert page.count(NONE) == 1 == as_text(result).count(NONE), "without smell nothing is lost"
    else:
        assert result["verdict"] == (
            "This policy reacts to its smell (too few episodes to tell whether it gains) and ignores its touch."
        )
    assert "Warning: This policy ignores" in as_text(result)


def test_a_policy_that_does_harm_by_a_sense_is_told(tmp_path):
    """Whoever does the opposite of what it touches would do better without."""
    model = learner("concat")
    cut(model, "smell")
    model.policy.action_net.weight.data.neg_()
    model.policy.action_net.bias.data.neg_()
    assert explained(model, tmp_path / "model")["verdict"] == "This policy is hurt by its touch and ignores its smell."


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_every_fusion_is_explained_and_what_it_learned_is_found(tmp_path, fusion):
    result = explained(learner(fusion), tmp_path / "model")
    assert result["senses"]["touch"] == "uses" and result["senses"]["smell"] != "uses"
    shares = {name: part["share"] for name, part in result["attributions"]["senses"].items()}
    assert shares["touch"] > 0.9 and sum(shares.values()) == pytest.approx(1.0)


def test_a_run_with_memory_is_explained(tmp_path):
    result = explained(learner("gated_cross_attention", "gru"), tmp_path / "model")
    assert result["senses"]["touch"] == "uses" and result["report"].endswith("explain.html")


def test_senses_that_are_taken_away_stay_away_and_the_rest_is_compared(tmp_path):
    result = explained(learner("concat"), tmp_path / "model", episodes=40, without=("smell",))
    assert [row["without"] for row in result["rows"]] == [["smell"], ["smell", "touch"]]
    assert [row["senses"] for row in result["subsets"]] == [["touch"], []]
    assert set(result["shapley"]["results"]) == {"touch"} and result["removed"] == ["smell"]


def test_nothing_is_left_to_compare_and_that_is_said(tmp_path):
    result = explained(learner("concat", updates=1), tmp_path / "model", episodes=4, without=("smell", "touch"))
    assert result["verdict"] == "No sense was left to compare." and result["shapley"]["results"] == {}


def test_the_command_prints_one_object_and_writes_one_page_where_it_is_told(tmp_path, capsys):
    folder = saved(learner("concat"), tmp_path / "model")
    words = [
        "explain",
        folder,
        "--env",
        WORLD,
        "--episodes",
        "20",
        "--device",
        "cpu",
        "--json",
        "--report",
        f"{tmp_path}/page.html",
    ]
    assert cli.main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["env"] == WORLD and result["episodes"] == 20 and result["report"] == f"{tmp_path}/page.html"
    assert {"gates", "rows", "picture", "bot_mean_length", "trained_steps"} <= result.keys(), "keys from before stay"
    assert len(result["subsets"]) == 4 and len(result["rows"]) == 3
    assert (tmp_path / "page.html").stat().st_size > 5000 and not (tmp_path / "model" / "explain.html").exists()


def test_a_page_that_cannot_be_written_is_a_mistake_before_anything_is_played(tmp_path, capsys):
    folder = saved(learner("concat", updates=1), tmp_path / "model")
    assert cli.main(["explain", folder, "--report", f"{tmp_path}/nowhere/page.html"]) == 2
    told = capsys.readouterr().err
    assert (
        told == f"A report cannot be written to {tmp_path}/nowhere/page.html; choose a file in a folder that exists.\n"
    )
    assert cli.main(["explain", folder, "--episodes", "0"]) == 2


def test_a_run_directory_that_cannot_take_the_page_still_gives_a_result(tmp_path, capsys):
    folder = saved(learner("concat", updates=1), tmp_path / "model")
    (tmp_path / "model" / "explain.html").mkdir()
    result = explain(EvaluateConfig(folder, env=WORLD, episodes=4, device="cpu"))
    assert result["report"] is None and "There is no report:" in capsys.readouterr().err


def test_the_number_of_environments_changes_nothing(tmp_path):
    folder = saved(learner("concat"), tmp_path / "model")
    one, many = (explain(EvaluateConfig(folder, env=WORLD, episodes=24, num_envs=n, device="cpu")) for n in (1, 24))
    assert one["subsets"] == many["subsets"]
    for name, part in one["shapley"]["choices"].items():
        np.testing.assert_allclose(part["value"], many["shapley"]["choices"][name]["value"], rtol=1e-3, atol=1e-5)


def test_more_than_six_senses_are_refused_before_anything_is_played():
    with pytest.raises(ConfigError, match="6 at most"):
        subsets([f"sense{number}" for number in range(7)])
