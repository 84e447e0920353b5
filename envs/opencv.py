"""OpenCV, imported late: slim systems lack a library that it needs, and neither training nor simulation does."""

from typing import Any

from ..perception.errors import MissingExtraError


def import_cv2(purpose: str) -> Any:
    """The module `cv2`, for whoever draws, resizes or reads pictures.

    Args:
        purpose: what needs it, the subject of the error's sentence: "Drawing", "A camera".

    Raises:
        MissingExtraError: it, or a system library that it needs, is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs OpenCV, which could not be imported ({error}); run `senseweave doctor` to fix that."
        ) from error
    return cv2
