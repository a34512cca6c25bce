"""Data, iterator, hyper-parameters and metrics in the manner of Microsoft Recommenders.

Does not depend on ``dfar_tf``; usable on its own.
"""
