"""What several fusions share: attention that is safe where nothing is there to attend to, pooling, joint tokens."""
