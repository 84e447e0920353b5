"""The benchmarks of exported files: their `--quick` runs end, and their rows have the columns of the page."""

import json
import subprocess
import sys

import pytest

from kit.benchmarks import BENCHMARKS, shown_columns, written_columns
from kit.limits import HANG_S
from kit.live.runs import clip, seeker

__all__ = ["clip", "seeker"]

pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def run(script, *arguments):
    command = [sys.executable, "-W", "ignore", str(BENCHMARKS / script), *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_exported_contract_finds_nothing_wrong_in_two_fusions(monkeypatch, tmp_path):
    report = run("exported_contract.py", "--quick", "--rows", tmp_path)
    assert len(report["rows"]) == 2
    assert all(row["wrong"] == [] and 0 < row["largest"] < 1e-5 for row in report["rows"])
    assert written_columns(tmp_path, "exported-contract") == shown_columns(monkeypatch, "exported-contract")


@pytest.mark.slow
def test_export_speed_times_every_way_and_tells_its_error(monkeypatch, tmp_path):
    rows = run("export_speed.py", "--quick", "--rows", tmp_path)["rows"]
    assert set(rows) == {"eager", "torch.export", "onnxruntime float32", "onnxruntime int8", "prepare"}
    assert rows["eager"]["error"] == 0.0
    assert rows["onnxruntime float32"]["error"] < 1e-5 < 1e-3 < rows["onnxruntime int8"]["error"]
    assert written_columns(tmp_path, "export-speed") == shown_columns(monkeypatch, "export-speed")


@pytest.mark.slow
def test_export_live_compares_the_loop_with_and_without_torch(monkeypatch, tmp_path, seeker, clip):
    rows = run("export_live.py", seeker, "--clip", clip, "--seconds", "2", "--rows", tmp_path)["rows"]
    assert rows["exported, no torch"]["peak MB"] < 0.7 * rows["torch"]["peak MB"]
    assert rows["exported, no torch"]["installed MB"] < rows["torch"]["installed MB"]
    assert written_columns(tmp_path, "export-live") == shown_columns(monkeypatch, "export-live")
