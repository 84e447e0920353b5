"""`senseweave train` and `senseweave pretrain`."""
