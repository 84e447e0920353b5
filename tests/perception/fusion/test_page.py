"""docs/how/fusions.md: its table has the true figures, every fusion has its section, and its examples run."""

import re
from pathlib import Path

import pytest

from senseweave.perception import (
    FUSIONS,
    Camera,
    Instruction,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    config_within,
    count_parameters,
)

PAGE = (Path(__file__).parents[3] / "docs" / "how" / "fusions.md").read_text(encoding="utf-8")
ROWS = {
    name: (parameters, width)
    for name, parameters, width in re.findall(r"^\| `(\w+)`.*\| ([\d,]+) \| (\d+|none) \|$", PAGE, re.MULTILINE)
}
SPEC = Spec(audio=Microphone(2, 1600, 16000), camera=Camera(64, 64), instruction=Instruction(48, 1024))


def test_every_fusion_has_a_row_and_a_section():
    assert set(ROWS) == set(FUSIONS) == set(re.findall(r"^## ([a-z_]+)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_the_parameters_in_the_table_are_counted(fusion):
    config = PerceptionConfig(fusion=fusion)
    nearest = config_within(SPEC, config, count_parameters(SPEC, PerceptionConfig()))
    assert ROWS[fusion] == (f"{count_parameters(SPEC, config):,}", f"{nearest.fusion_width or 'none'}")


def test_the_examples_run():
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {"spec": SPEC, "Perception": Perception, "PerceptionConfig": PerceptionConfig}
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "docs/how/fusions.md", "exec"), names)
    assert names["state"].present.tolist() == [[False, False, True]]
    assert names["config"].fusion_width == 87
