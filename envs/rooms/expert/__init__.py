"""Who plays rooms well, knowing everything or only what was seen: what policies imitate."""
