"""Pictures of results are drawn from the rows that are kept."""

import cv2
import pytest

from kit.benchmarks import script


@pytest.fixture
def result_pictures(monkeypatch):
    return script(monkeypatch, "result_pictures")


def test_every_picture_can_be_drawn_from_the_rows_that_are_here(result_pictures, tmp_path):
    result_pictures.main(list(result_pictures.PICTURE_OF), tmp_path)
    for name in result_pictures.PICTURE_OF:
        picture = cv2.imread(str(tmp_path / f"{name}.png"))
        assert picture is not None and picture.std() > 10, name
        assert (result_pictures.PICTURES / f"{name}.png").exists(), "docs/pictures has it too"


def test_fusions_are_drawn_with_any_number_of_seeds(result_pictures, tmp_path):
    results = [
        result_pictures.Result("early", {"all senses": [0.5, 0.6], "without camera": [0.4], "time": [1.0]}),
        result_pictures.Result("late", {"all senses": [0.7], "without camera": [0.3, 0.2, 0.1], "time": [1.0]}),
    ]
    result_pictures.draw_fusions(results, "success", tmp_path / "fusions.png", 1 / 3)
    assert cv2.imread(str(tmp_path / "fusions.png")).shape[1] > 400
