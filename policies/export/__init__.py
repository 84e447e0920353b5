"""Policies and perceptions as files that run without their training code. Names are imported on first use.

`export` needs torch; `load_exported` and what it gives need numpy, gymnasium, tokenizers and onnxruntime alone.
"""

from typing import TYPE_CHECKING

from ...perception.registry import lazy_names

if TYPE_CHECKING:
    from .acting import Acted as Acted
    from .acting import ExportedPolicy as ExportedPolicy
    from .formats import EXPORT_FORMATS as EXPORT_FORMATS
    from .loading import load_exported as load_exported
    from .perceiving import Exported as Exported
    from .perceiving import Perceived as Perceived
    from .writing import export as export

_HOMES = {
    "acting": ("Acted", "ExportedPolicy"),
    "writing": ("export",),
    "formats": ("EXPORT_FORMATS",),
    "loading": ("load_exported",),
    "perceiving": ("Exported", "Perceived"),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
