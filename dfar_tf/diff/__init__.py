"""A run of the released code in, a table of differences from ours out."""
