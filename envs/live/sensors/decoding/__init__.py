"""Files, addresses and cameras decoded in a child process, and the clock that everything of one file shares."""
