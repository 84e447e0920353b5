"""The report of a live session: one HTML page that needs nothing else, and `Reporter`, which makes it beside the loop.

    live_report.write("report.html", "runs/monday/session.mcap")        of a recording
    with Reporter.of(rig, "report.html") as reporter: ...               of a rig, while it runs

What is drawn is collected in bounded memory by live_digest.py; live_charts.py draws.
"""

import collections
import contextlib
import html
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...envs.live.reading import Event
from ...envs.live.rig import LiveRig
from ...envs.live.sessions.session import Session, only_file, read_ticks
from ...envs.live.tick import Tick
from ...perception.errors import ConfigError
from ...perception.spec import Microphone
from ..show import charts as live_charts
from ..show.charts import ROW, Chart, colour
from ..terminal.progress import duration
from .digest import Digest

MOST_WAITING = 600
"""Ticks that wait to be looked at; then the oldest are skipped, and counted."""

LOOK_S = 0.25
WRITE_EVERY_S = 60.0
"""The page is written anew so often, so that something is there when the session is cut off."""

CLOSE_S = 20.0
PICTURE_PX = 72

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#202124;background:#f8f8f6}
body{max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}p{margin:.2rem 0 .6rem}
.faint{color:#5f6368}svg{width:100%;display:block;font:12px system-ui,sans-serif}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.8rem 0}dt{color:#5f6368}dd{margin:0}
.film{display:flex;flex-wrap:wrap;gap:6px}figure{margin:0;text-align:center}figcaption{font-size:12px;color:#5f6368}
.film img{height:72px;image-rendering:pixelated;display:block}
.gone{height:72px;width:72px;background:#e3e5e7;color:#5f6368;font-size:12px;display:grid;place-items:center}
.key{font-size:13px}.key span{display:inline-block;width:12px;height:12px;margin:0 5px 0 14px;vertical-align:-1px}
table{border-collapse:collapse;width:100%;font-size:13px}
td,th{text-align:left;padding:2px 12px 2px 0;vertical-align:top}
th{color:#5f6368;font-weight:normal;border-bottom:1px solid #c9ccd0}td:first-child{font-variant-numeric:tabular-nums}
td{overflow-wrap:anywhere}
"""


class Reporter:
    """Writes a page about a session while it runs, and at its end. A context manager; leaving it writes the page.

    The loop only puts ticks into a bounded queue; a thread looks at them, draws and writes.

    Args:
        path: the .html file; it is replaced if it exists.
        digest: what is collected into; nobody else may feed it.
        facts: title -> text, above everything else.
        timing: asked for the loop's own figures, see `Timing.summary`.
        tell: called with a sentence when the page cannot be written.

    Attributes:
        path: the file.
        failure: why the page could not be written, a sentence; "" if it could.

    Raises:
        ConfigError: the folder of `path` does not exist or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        digest: Digest,
        *,
        facts: Mapping[str, str] | None = None,
        timing: Callable[[], Mapping[str, Any]] = dict,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self.path, self.failure = Path(path), ""
        self._digest, self._facts, self._timing, self._tell = digest, dict(facts or {}), timing, tell
        self._waiting: collections.deque[Tick] = collections.deque(maxlen=MOST_WAITING)
        self._added = self._taken = 0
        self._noted: list[Event] = []
        if self.path.is_dir() or not os.access(self.path.parent, os.W_OK):
            raise ConfigError(f"A report cannot be written to {self.path}; choose a file in a folder that exists.")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_at_all, name="reporter", daemon=True)
        self._thread.start()

    @classmethod
    def of(
        cls,
        rig: LiveRig,
        path: str | os.PathLike[str],
        *,
        facts: Mapping[str, str] | None = None,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> Self:
        """A reporter of a rig: give its `on_tick` to the loop. See the class."""
        digest = Digest(rig.senses, rig.action_names, rig.period_s, rig.max_age_s)
        return cls(path, digest, facts=facts, timing=rig.timing.summary, tell=tell)

    def on_tick(self, tick: Tick) -> None:
        """Takes note of a tick; returns at once."""
        self._added += 1
        self._waiting.append(tick)

    def note(self, events: Iterable[Event]) -> None:
        """Takes note of events that belong to no tick any more; returns at once."""
        self._noted += events

    def close(self) -> dict[str, Any]:
        """Looks at what waits and writes the page; within `CLOSE_S`. May be called twice.

        Returns:
            The file, and why it could not be written, as plain JSON values.
        """
        self._ending.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and not self.failure:
            self.failure = f"The report could not be written to {self.path} within {CLOSE_S:g} s."
        return {"file": str(self.path), "failure": self.failure}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_at_all(self) -> None:
        written_s = time.monotonic()
        try:
            while True:
                is_last = self._ending.wait(LOOK_S)
                while self._waiting:
                    self._digest.add(self._waiting.popleft())
                    self._taken += 1
                lost = self._added - self._taken - len(self._waiting)
                if lost > self._digest.skipped:
                    self._digest.skip(lost - self._digest.skipped)
                if is_last:
                    self._digest.note(self._noted)
                if is_last or time.monotonic() - written_s >= WRITE_EVERY_S:
                    _write(self.path, page(self._digest, self._facts, self._timing()))
                    written_s = time.monotonic()
                if is_last:
                    return
        except Exception as error:  # a report may fail in any way, and the loop must survive all of it
            reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
            self.failure = f"The report could not be written to {self.path} ({reason})."
            self._waiting.clear()
            self._tell(self.failure)


def write(path: str | os.PathLike[str], source: Digest | str | os.PathLike[str], **facts: str) -> Digest:
    """Writes the page about a recording, or about what was collected.

    Args:
        path: the .html file; it is replaced if it exists.
        source: an .mcap file, a folder with one, or a `Digest`.
        **facts: more lines for the page's head.

    Returns:
        What the page shows.

    Raises:
        SessionError: there is no such recording.
        ConfigError: the file cannot be written.
    """
    digest = source if isinstance(source, Digest) else digest_of(Session(only_file(source)))
    told = {} if isinstance(source, Digest) else {"Recording": str(only_file(source))}
    try:
        _write(Path(path), page(digest, told | facts, {}))
    except OSError as error:
        raise ConfigError(f"A report cannot be written to {path} ({error.strerror}); choose another file.") from error
    return digest


def digest_of(session: Session) -> Digest:
    """Looks at a whole recording."""
    digest = Digest(session.spec, session.action_names, session.period_s, session.max_age_s)
    for tick in read_ticks(session):
        digest.add(tick)
    return digest


def _write(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def page(digest: Digest, facts: Mapping[str, str], timing: Mapping[str, Any]) -> str:
    """The whole page as text."""
    sections = [_head(digest, facts, timing)]
    if digest.ticks:
        sections += [
            *_films(digest),
            *(_spectrogram(digest, name) for name, kind in digest.senses.items() if isinstance(kind, Microphone)),
            _presence(digest),
            _ages(digest),
            _gates(digest) if digest.has_gates else "",
            _actions(digest) if digest.action_names else "",
            _timing(digest, timing),
        ]
    sections.append(_events(digest))
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>senseweave: a live session</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _head(digest: Digest, facts: Mapping[str, str], timing: Mapping[str, Any]) -> str:
    rate_hz = timing.get("rate_hz") or (max(0, digest.ticks - 1) / digest.seconds if digest.seconds > 0 else 0.0)
    told = {
        "Length": f"{duration(digest.seconds)}, {digest.ticks:,} ticks at {rate_hz:.2f} Hz "
        f"(wanted: {1 / digest.period_s:.2f} Hz)",
        "Present": ", ".join(f"{name} {100 * share:.1f} %" for name, share in digest.presence.items()),
    }
    if digest.safe_ticks:
        told["Safe action"] = f"in {digest.safe_ticks:,} ticks"
    if digest.skipped:
        told["Not looked at"] = f"{digest.skipped:,} ticks, for which there was no time"
    lines = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>" for key, text in {**facts, **told}.items()
    )
    return f"<h1>A live session</h1><dl>{lines}</dl>"


def _films(digest: Digest) -> list[str]:
    films = []
    for name, pictures in digest.pictures.items():
        figures = []
        for second, picture in pictures:
            if picture is None:
                shown = '<div class="gone">absent</div>'
            else:
                shown = f'<img alt="" src="{live_charts.png(live_charts.shrunk(picture, PICTURE_PX))}">'
            figures.append(f"<figure>{shown}<figcaption>{second:.1f} s</figcaption></figure>")
        films.append(f'<h2>{html.escape(name)}</h2><div class="film">{"".join(figures)}</div>')
    return films


def _spectrogram(digest: Digest, name: str) -> str:
    chart = Chart(digest.seconds, 110)
    levels = (digest.loudness(name) + 90) / 90
    levels[digest.present[:, digest.senses.names.index(name)] == 0] = math.nan
    chart.picture(live_charts.png(live_charts.heat(levels.T[::-1])))
    kind = digest.senses[name]
    top_hz = kind.sample_rate_hz / 2 if isinstance(kind, Microphone) else 0.0
    chart.label(8, f"{top_hz / 1000:g} kHz", live_charts.FAINT)
    chart.label(104, "low", live_charts.FAINT)
    note = "Loudness in bands of pitch, from -90 dB (dark) to full scale (pale); grey where it was absent."
    return f'<h2>{html.escape(name)}</h2><p class="faint">{note}</p>{chart.svg("spectrogram")}'


def _presence(digest: Digest) -> str:
    chart = Chart(digest.seconds, ROW * len(digest.senses))
    for i, name in enumerate(digest.senses):
        chart.label(ROW * i + ROW / 2, name)
        chart.track(ROW * i + 4)
        chart.strip(digest.times_s, digest.present[:, i], ROW * i + 4, colour(i))
    return f"<h2>Presence: which senses were there</h2>{chart.svg('presence')}"


def _ages(digest: Digest) -> str:
    chart = Chart(digest.seconds, 160)
    ages_ms = np.maximum(1e3 * digest.ages_s, 0.1)
    finite = ages_ms[np.isfinite(ages_ms)]
    top = max(3.0, math.ceil(math.log10(finite.max() * 1.2))) if finite.size else 3.0

    def y(age_ms: Any) -> Any:
        return 156 - 150 * np.log10(np.maximum(age_ms, 1.0)) / top

    for power in range(int(top) + 1):
        chart.level(y(10.0**power), f"{10**power} ms" if power < 3 else f"{10 ** (power - 3)} s")
    shown = [name for name in digest.senses if digest.max_age_s.get(name, math.inf) < math.inf]
    for name in shown:
        i = digest.senses.names.index(name)
        chart.line(digest.times_s, y(ages_ms[:, i]), colour(i))
        chart.level(y(1e3 * digest.max_age_s[name]), "", stroke=colour(i), dashes=True)
    note = "The greatest age of each sense's newest reading; beyond the dashed line the sense is absent. "
    note += "A sense that holds until there is something new, such as an instruction, is not drawn."
    title = "<h2>Age: how old the readings were</h2>"
    return f'{title}<p class="faint">{note}</p>{_key(digest, shown)}{chart.svg("ages")}'


def _gates(digest: Digest) -> str:
    chart = Chart(digest.seconds, 110)
    for share in (0.0, 0.5, 1.0):
        chart.level(106 - 100 * share, f"{share:g}")
    for i in range(len(digest.senses)):
        chart.line(digest.times_s, 106 - 100 * digest.gates[:, i].clip(0, 1), colour(i))
    title = "<h2>Gates: how far the policy let each sense in</h2>"
    return f"{title}{_key(digest, list(digest.senses))}{chart.svg('gates')}"


def _actions(digest: Digest) -> str:
    names = [*digest.action_names, "safe action"] if digest.safe_ticks else list(digest.action_names)
    chart = Chart(digest.seconds, ROW * len(names))
    for i, name in enumerate(names):
        chart.label(ROW * i + ROW / 2, name)
        chart.track(ROW * i + 4)
        fill = "#b3261e" if i == len(digest.action_names) else "#44546a"
        chart.strip(digest.times_s, digest.actions[:, i], ROW * i + 4, fill)
    return f"<h2>Actions</h2>{chart.svg('actions')}"


def _timing(digest: Digest, timing: Mapping[str, Any]) -> str:
    gaps_ms = digest.gaps_ms
    if not gaps_ms.size:
        return ""
    p50, p99 = np.percentile(np.abs(gaps_ms), [50, 99])
    told = f"From tick to tick: off by {p50:.2f} ms (p50), {p99:.2f} ms (p99), {np.abs(gaps_ms).max():.2f} ms (most)."
    if timing:
        told += (
            f" Woken after the deadline: {timing['lateness_p50_ms']:.2f} ms (p50), {timing['lateness_p99_ms']:.2f} ms "
            f"(p99). Work in a tick: {timing['work_p50_ms']:.1f} ms (p50), {timing['work_p99_ms']:.1f} ms (p99). "
            f"Ticks missed: {timing['overruns']:,}."
        )
    chart = live_charts.histogram(gaps_ms, "ms", "time between ticks")
    return f'<h2>Timing: how much longer than planned each tick was</h2><p class="faint">{told}</p>{chart}'


def _events(digest: Digest) -> str:
    if not digest.events:
        return "<h2>Events</h2><p>None.</p>"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(digest.kinds.items()))
    left_out = digest.kinds.total() - len(digest.events)
    more = f" The first {left_out:,} are left out." if left_out else ""
    rows = "".join(
        f"<tr><td>{(event.time_ns - digest.first_ns) / 1e9:.3f} s</td><td>{html.escape(event.sense)}</td>"
        f"<td>{html.escape(event.kind)}</td><td>{html.escape(event.detail)}</td></tr>"
        for event in digest.events
    )
    head = "<tr><th>time</th><th>sense</th><th>what</th><th>detail</th></tr>"
    return f'<h2>Events</h2><p class="faint">{counts}.{more}</p><table>{head}{rows}</table>'


def _key(digest: Digest, names: list[str]) -> str:
    marks = "".join(
        f'<span style="background:{colour(digest.senses.names.index(name))}"></span>{html.escape(name)}'
        for name in names
    )
    return f'<p class="key">{marks}</p>'
