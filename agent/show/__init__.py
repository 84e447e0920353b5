"""Pictures, charts and videos for people."""
