"""What an observation may hold, how raw readings become one, and what of it is let through to the encoders."""
