"""Rooms drawn for people: from above, with what is seen, heard and told."""
