"""The processor time of tests, their sub-processes included: a limit for each, and a table at the end of a run.

tests/conftest.py takes these hooks in; `make test-times` asks for the table, by file and by test. A busy machine
stretches seconds by the clock far more than those of the processor, so these are what a test may not have too many of.
"""

import os
from collections import Counter
from collections.abc import Generator

import pytest

TABLE, LIMIT = "--processor-times", "--max-processor-s"
PROPERTY = "processor_s"
SLOWEST = 25

_spent_s: dict[str, float] = {}
"""Seconds by the name of a test: in a worker as they are measured, where the table is printed as they arrive."""


def _now_s() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(TABLE, action="store_true", help="print processor seconds by test file, and the slowest tests")
    parser.addoption(LIMIT, type=float, default=60.0, metavar="S", help="fail a test that takes more (default: 60)")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Counts from before the fixtures are set up; the report of the teardown carries the sum to whoever prints."""
    _spent_s[item.nodeid] = -_now_s()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "teardown":
        spent_s, limit_s = _spent_s.pop(item.nodeid) + _now_s(), item.config.getoption(LIMIT)
        report.user_properties.append((PROPERTY, spent_s))
        if spent_s > limit_s and report.passed:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} took {spent_s:.1f} s of processor time; {LIMIT} allows {limit_s:g}."
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _spent_s[report.nodeid] = dict(report.user_properties)[PROPERTY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption(TABLE):
        return
    files = Counter()
    for name, seconds in _spent_s.items():
        files[name.partition("::")[0]] += seconds
    terminalreporter.section(f"{sum(_spent_s.values()):.0f} s of processor time")
    for by_name in (files, Counter(_spent_s)):
        terminalreporter.line("")
        for name, seconds in by_name.most_common(SLOWEST):
            terminalreporter.line(f"{seconds:7.1f} s  {name}")
