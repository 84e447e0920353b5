"""Cameras: plugged in, in the network, or a file."""
