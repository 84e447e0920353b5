"""Faults as data, and a scripted sensor that has them: what tests and rehearsals break."""
