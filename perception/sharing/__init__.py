"""Where a policy or a perception is found: a folder, an agent that ships with the package, a repository of the Hub."""
