"""`senseweave export`."""
