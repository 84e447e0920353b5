"""Episodes: environments to play in, who plays, and whole episodes on held-out seeds."""
