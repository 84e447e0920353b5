"""stable-baselines3's PPO with rollouts, advantages and updates that stay on the device."""
