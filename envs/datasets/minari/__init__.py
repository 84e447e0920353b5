"""Minari datasets, through its own library."""
