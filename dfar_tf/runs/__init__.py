"""Hyper-parameters and a log in, a run folder out; and what is done with many of them."""
