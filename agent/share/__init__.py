"""What leaves this machine: an agent's or a perception's files with a card, to the Hub or into the package."""

from ...perception.registry import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, {"push": ("push_to_hub",), "box": ("put_in_the_box",)})
