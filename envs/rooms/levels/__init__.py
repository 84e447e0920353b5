"""Levels: how a room, its objects and its instruction come to be. One file a family; registry.py lists them all."""
