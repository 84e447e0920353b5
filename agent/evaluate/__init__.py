"""`senseweave evaluate` and `senseweave watch`: trained policies on episodes that they never saw."""

from ...perception.registry import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {"evaluate": ("as_text", "evaluate_policy", "summary")})
