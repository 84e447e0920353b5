"""What holds for every test: executed shapes, one thread per process, how many examples, and what a test costs.

pytest loads this file before any test module, so that the import hook sees every module of the package.
"""

import os
import sys

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")  # the tests run in parallel, and sub-processes inherit it

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")

import hypothesis  # noqa: E402
import torch  # noqa: E402

from kit import shape_checks  # noqa: E402
from kit.processor_times import (  # noqa: E402, F401
    pytest_addoption,
    pytest_runtest_logreport,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_terminal_summary,
)
from kit.shape_checks import pytest_runtest_setup  # noqa: E402, F401

if shape_checks.are_wanted(os.environ):
    if any(name.startswith(shape_checks.CHECKED_PACKAGES) for name in sys.modules):
        raise RuntimeError("senseweave was imported before tests/conftest.py, so its shapes would go unchecked.")
    shape_checks.install()

torch.set_num_threads(1)

SLOW_IS_FINE = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("dev", max_examples=100, deadline=None, suppress_health_check=SLOW_IS_FINE)
hypothesis.settings.register_profile(
    "ci", max_examples=300, deadline=None, derandomize=True, print_blob=True, suppress_health_check=SLOW_IS_FINE
)
hypothesis.settings.register_profile(
    "nightly", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=SLOW_IS_FINE
)
hypothesis.settings.load_profile("dev")  # `make test` and `make nightly` pass --hypothesis-profile
