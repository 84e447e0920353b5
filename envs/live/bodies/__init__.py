"""Where actions go: a callback, JSON lines, UDP, a simulated body; and when the safe action goes there instead."""
