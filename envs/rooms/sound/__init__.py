"""What the agent hears: sounds of objects at two ears, noise, and spoken instructions."""
