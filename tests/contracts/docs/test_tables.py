"""Tables in the pages have what the code has: columns of curves, events, levels, extras, options of environments."""

import re
import tomllib

import pytest

from kit.markdown import ROOT
from senseweave.agent.train.metrics import COLUMNS
from senseweave.envs.live.reading import EVENT_KINDS
from senseweave.envs.rooms.levels.registry import LEVELS, level_options
from senseweave.policies import RECIPES, TRAINERS

HOW = ROOT / "docs" / "how"


def first_cells(page, heading: str) -> str:
    """The first cells of the tables below a heading."""
    section = re.split(r"^#+ ", page.read_text(encoding="utf-8").split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]
    return "\n".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)[1:])


def test_every_column_of_the_curves_is_explained_with_its_name_in_tensorboard():
    told = re.findall(r"^`(\w+)` \(`([\w/]+)`\)$", first_cells(HOW / "training.md", "The columns of metrics.csv"), re.M)
    assert dict(told) == COLUMNS


def test_every_kind_of_event_is_explained():
    assert sorted(re.findall(r"`(\w+)`", first_cells(HOW / "live.md", "Events"))) == sorted(EVENT_KINDS)


def test_every_trainer_and_every_recipe_is_explained():
    assert re.findall(r"^`(\w+)`", first_cells(HOW / "training.md", "Training"), re.MULTILINE) == [*TRAINERS.names]
    assert re.findall(r"^`(\w+)`", first_cells(HOW / "training.md", "Recipes"), re.MULTILINE) == [*RECIPES.names]


def test_every_level_of_rooms_is_listed():
    listed = re.findall(r"`(\w+)`", first_cells(HOW / "rooms.md", "Levels"))
    assert sorted(listed) == sorted(LEVELS)


@pytest.mark.parametrize("level", LEVELS)
def test_every_option_of_a_level_is_listed(level):
    page = (HOW / "rooms.md").read_text(encoding="utf-8")
    assert [option for option in level_options(level) if f"`{option}`" not in page] == []


def test_extras_of_the_page_on_installing_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    listed = re.findall(r"`(\w+)`", first_cells(ROOT / "docs" / "start" / "install.md", "Extras"))
    assert set(listed) <= set(extras) and "docs" in listed


def test_the_citation_and_the_changelog_know_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
