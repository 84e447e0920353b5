"""`senseweave serve`: a policy that acts for rigs on other machines; its client is envs/live/remote/."""
