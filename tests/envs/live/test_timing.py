"""Punctuality over a whole session, beside numpy's percentiles of everything."""

import json

import numpy as np
import pytest

from senseweave.envs.live.clock import NS_PER_S
from senseweave.envs.live.timing import Spans, Timing


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.75])
def test_percentiles_are_those_of_all_times_to_a_hundredth(percent: float) -> None:
    spans, times_ns = Spans(), (np.random.default_rng(3).lognormal(14, 2.5, 20_000)).astype(np.int64)
    for span_ns in times_ns.tolist():
        spans.add(span_ns)
    wanted_ms = np.percentile(times_ns, percent, method="inverted_cdf") / 1e6
    assert spans.percentile_ms(percent) == pytest.approx(wanted_ms, rel=0.0101, abs=0.001)
    assert spans.percentile_ms(100) == times_ns.max() / 1e6


def test_the_beginning_of_a_long_session_still_counts_at_its_end() -> None:
    timing = Timing()
    for i in range(10_000):
        late_ns = 9_000_000 if i < 200 else 1_000_000
        timing.add(i * NS_PER_S // 10, i * NS_PER_S // 10 + late_ns, 5_000_000)
    assert timing.ticks == 10_000
    assert timing.p50_ms == pytest.approx(1, rel=0.01)
    assert timing.p99_ms == pytest.approx(9, rel=0.01), "2 of 100 were so late, long ago"
    assert timing.lateness_ms(100) == 9
    assert timing.work_ms(50) == 5
    assert timing.rate_hz == pytest.approx(10, rel=1e-3)


def test_nothing_something_tiny_and_something_endless_have_percentiles_too() -> None:
    assert set(Timing().summary().values()) == {0}
    spans = Spans()
    spans.add(0)
    assert spans.percentile_ms(50) == spans.percentile_ms(100) == 0
    spans.add(10**15)
    spans.add(10**15)
    assert spans.percentile_ms(100) == 1e9 and 1e6 < spans.percentile_ms(99) <= 1e9
    timing = Timing()
    timing.add(0, 3_000_000, 1_000_000)
    assert json.loads(json.dumps(timing.summary()))["lateness_max_ms"] == 3
