"""The agent's camera: tables baked once from geometry, and frames gathered from them."""

from .camera import RoomsCamera

__all__ = ["RoomsCamera"]
