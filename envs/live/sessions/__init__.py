"""Recorded sessions: written while a rig runs, read as arrays, replayed as sensors."""
