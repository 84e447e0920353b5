"""What a policy asks of its environment: spaces that it can serve, and numbers that mean what its senses say."""
