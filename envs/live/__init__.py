"""Live sensors as a Gymnasium environment: each with a clock, an age and a mask; none of them can stop the loop."""
