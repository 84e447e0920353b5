"""Read what `senseweave live --record DIR` has recorded: observations, actions, and what was lost and when.

python examples/read_recording.py DIR|FILE.mcap
"""

import sys

from senseweave.envs.live.sessions.session import read_session


def main(path: str) -> None:
    """Prints a line for each tick in which something happened, and what a batch for imitation is made of."""
    observations, actions = [], []
    for observation, action, info in read_session(path):
        if action is not None and not info["is_safe"]:  # what the agent itself chose
            observations.append(observation)
            actions.append(action)
        for event in info["events"]:
            print(f"{event.time_ns / 1e9:.3f} s  {event.sense or 'loop'}: {event.kind}. {event.detail}")
    shapes = ", ".join(f"{name} {value.shape}" for name, value in (observations[0] if observations else {}).items())
    print(f"{len(actions)} pairs of an observation ({shapes}) and an action")


if __name__ == "__main__":
    main(sys.argv[1])
