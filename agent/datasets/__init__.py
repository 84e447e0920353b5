"""`senseweave record` and `convert`: datasets made, and made into others."""
