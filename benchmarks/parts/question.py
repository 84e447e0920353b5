"""`Question`: one table of docs/results.md; the tables themselves are in questions.py and live_questions.py."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Question:
    """One table of the page.

    Args:
        table: file in benchmarks/results/ without ".json".
        asks: the heading.
        says: how it was measured and how to read it, in a sentence or two.
        columns: column of the rows -> how a figure of it is written, as `format` takes it.
        notebook: page of docs/notebook/ that tells how it came about.
        picture: of docs/pictures/, with its text for those who cannot see it.
        episodes: column of successes -> in how many episodes each was measured.
    """

    table: str
    asks: str
    says: str
    columns: Mapping[str, str]
    notebook: str
    picture: tuple[str, str] | None = None
    episodes: Mapping[str, int] = dataclasses.field(default_factory=dict)
