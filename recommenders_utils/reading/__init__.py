"""A file of any layout in, records out: users, items, labels and times as arrays.

An adapter says which column is which; ratings files have one that is built in.
"""
