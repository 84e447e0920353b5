"""`DecodingError`: what the child cannot do, and whether it is worth trying again. It says so, the parent raises it."""

from typing import Any

Severity = str
"""How a problem counts: "final" (the file will not get better), "later" (worth trying again), "missing" (a package)."""


class DecodingError(Exception):
    """Something that ends the decoding.

    Args:
        sentence: what, without a full stop.
        severity: see `Severity`.
    """

    def __init__(self, sentence: str, severity: Severity = "final") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.severity = severity

    def as_message(self) -> dict[str, Any]:
        """It, as it goes to the parent."""
        return {"problem": self.sentence, "severity": self.severity}


def reason(error: BaseException) -> str:
    """The library's own words, in short."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
