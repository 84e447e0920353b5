"""What stable-baselines3's callbacks find in our PPO, by its names and in its shapes, made when somebody looks."""
