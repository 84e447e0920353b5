from kit.small_runs import copy_of_run, tiny_config, trained

__all__ = ["copy_of_run", "tiny_config", "trained"]
