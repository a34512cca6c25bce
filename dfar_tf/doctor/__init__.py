"""This machine in, findings out: what is there, what would be used, how to fix problems."""
