"""A policy on another machine: what the rig senses goes out, and what it should do comes back. No torch here.

    LiveRig -> policy.py   RemotePolicy: one observation a tick, one answer before the next tick, or none
                  |
               link.py     Link: a thread that keeps one connection, loses it and makes it again
                  |
               messages.py what travels: maps of numbers, strings, bytes and lists; nothing else is read
               facts.py    Hello: what a server says of its policy, and whether that fits a rig
               token.py    the secret that both sides know

The other side is agent/serve/ (`senseweave serve`). The extra `serve` installs what both need.
"""

from typing import TYPE_CHECKING

from ....perception.registry import lazy_names

if TYPE_CHECKING:
    from .facts import Hello as Hello
    from .link import Link as Link
    from .messages import RemoteError as RemoteError
    from .policy import RemotePolicy as RemotePolicy
    from .token import read_token as read_token

_HOMES = {
    "facts": ("Hello",),
    "link": ("Link",),
    "messages": ("RemoteError",),
    "policy": ("RemotePolicy",),
    "token": ("read_token",),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
