"""A shape and a seed in, SYNTHETIC logs out, with or without a signal planted in them."""
