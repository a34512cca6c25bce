"""A model in, its speed and memory on this machine out; every ratio is measured within one run."""
