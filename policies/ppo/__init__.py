"""stable-baselines3's PPO with rollouts, advantages and updates that stay on the device."""

from typing import TYPE_CHECKING

from ...perception.registry import lazy_names, moved_modules

if TYPE_CHECKING:
    from .ppo import PPO as PPO

__getattr__, __dir__, __all__ = lazy_names(__name__, {"ppo": ("PPO",)})
moved_modules(__name__, {"buffer": (".callbacks.buffer",), "callback_locals": (".callbacks.locals",)})
