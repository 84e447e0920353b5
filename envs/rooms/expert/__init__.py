"""Who knows the whole room and plays it well: what policies imitate."""
