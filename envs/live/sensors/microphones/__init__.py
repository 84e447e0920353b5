"""Microphones: a device's sound or a file's, at the rate and with the channels that the Spec promises."""
