"""`SampleClock`: when a sample was heard, by counting samples instead of trusting when their block happened to arrive.

Blocks arrive late, by chance; samples are taken at a rate that is even but never exactly the one on the label. So time
is counted in samples from an anchor, and the anchor and the rate follow, slowly, the blocks that came with the least
delay. The result is even to a fraction of a millisecond, and the device's drift against our clock is known.
"""

from ...clock import NS_PER_S

WINDOW_S = 0.5
"""Of the blocks of such a time the one that came with the least delay counts."""

PHASE_GAIN, RATE_GAIN = 0.3, 0.05
"""How much of the remaining error is corrected in a window: in the anchor, and in the rate."""

MAX_ERROR_S = 0.1
"""An error beyond that is no drift: samples were lost, and the anchor is set anew."""

MAX_DRIFT = 0.01
"""Device rates are believed to be within one per cent of what they claim."""


class SampleClock:
    """Times of the samples of one device.

    Args:
        rate_hz: what the device claims.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._nominal_ns = NS_PER_S / rate_hz
        self._period_ns = self._nominal_ns
        self._anchor_count = 0
        self._anchor_ns: float | None = None
        self._least_ns: float | None = None
        self._window_start = 0

    @property
    def drift_ppm(self) -> float:
        """How much faster than it claims the device is by our clock, in millionths; near 0 in the first seconds."""
        return (self._nominal_ns / self._period_ns - 1.0) * 1e6

    def restart(self) -> None:
        """Samples were lost, nobody knows how many: the next block sets the anchor anew. The rate is kept."""
        self._anchor_ns = None

    def heard_ns(self, count: int, reported_ns: int) -> int:
        """When the last sample of a block was heard.

        Args:
            count: how many samples the device has given, to the end of this block.
            reported_ns: when it was heard as far as the block itself tells; late, if anything.

        Returns:
            The time by count, never later than `reported_ns`.
        """
        if self._anchor_ns is None:
            self._anchor(count, reported_ns)
            return reported_ns
        counted_ns = self._anchor_ns + (count - self._anchor_count) * self._period_ns
        error_ns = reported_ns - counted_ns
        if abs(error_ns) > MAX_ERROR_S * NS_PER_S:
            self._anchor(count, reported_ns)
            return reported_ns
        if self._least_ns is None or error_ns < self._least_ns:
            self._least_ns = error_ns
        if count - self._window_start >= WINDOW_S * self.rate_hz:
            self._follow(count, counted_ns)
        return min(round(counted_ns), reported_ns)

    def _anchor(self, count: int, reported_ns: float) -> None:
        self._anchor_count, self._anchor_ns = count, float(reported_ns)
        self._window_start, self._least_ns = count, None

    def _follow(self, count: int, counted_ns: float) -> None:
        """Ends a window: moves the anchor and the rate a little towards the least late block."""
        error_ns = self._least_ns or 0.0
        samples = count - self._window_start
        period_ns = self._period_ns + RATE_GAIN * error_ns / samples
        low, high = self._nominal_ns * (1 - MAX_DRIFT), self._nominal_ns * (1 + MAX_DRIFT)
        self._period_ns = min(max(period_ns, low), high)
        self._anchor(count, counted_ns + PHASE_GAIN * error_ns)
