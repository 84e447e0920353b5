"""Where actions go: a callback, JSON lines, UDP, or an environment as a simulated body."""
