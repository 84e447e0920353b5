"""Known environments in the contract's form, one file per family."""
