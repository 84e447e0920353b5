"""The limit of a test's processor time and the table, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

from kit import processor_times
from kit.limits import HANG_S

TESTS = """
import subprocess, sys, time

BUSY = "import time\\nwhile time.process_time() < 0.5: pass"

def test_busy_in_another_process():
    subprocess.run([sys.executable, "-c", BUSY], check=True)

def test_idle():
    time.sleep(0.6)
"""


def test_a_test_that_keeps_processors_busy_fails_and_one_that_waits_does_not(tmp_path):
    (tmp_path / "test_two.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = os.environ | {"PYTHONPATH": str(Path(processor_times.__file__).parents[1])}
    words = ["-p", "kit.processor_times", processor_times.TABLE, processor_times.LIMIT, "0.4"]
    command = [sys.executable, "-m", "pytest", *words, "test_two.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 1 and "2 passed, 1 error" in done.stdout, done.stdout
    assert "test_two.py::test_busy_in_another_process took 0." in done.stdout
    table = done.stdout.partition("s of processor time =")[2].splitlines()
    assert [line.split()[-1] for line in table if " s  " in line] == [
        "test_two.py",
        "test_two.py::test_busy_in_another_process",
        "test_two.py::test_idle",
    ]
