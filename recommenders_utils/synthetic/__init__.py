"""A shape and a seed in, a SYNTHETIC log out, with or without a planted signal."""
