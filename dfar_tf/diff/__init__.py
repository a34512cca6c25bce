"""A released run in, a table of its differences from ours out."""
