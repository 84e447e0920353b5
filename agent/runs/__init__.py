"""Run directories: what a training run leaves, and how a policy is loaded from one."""
