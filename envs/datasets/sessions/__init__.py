"""Recorded sessions as datasets."""
