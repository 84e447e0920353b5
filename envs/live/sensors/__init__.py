"""Cameras, microphones and instructions: what each sort of address accepts stands with its source."""
