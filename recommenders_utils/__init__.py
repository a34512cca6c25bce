"""What the original stack takes from Microsoft Recommenders: data, iterator, hparams, metrics.

Knows nothing of ``dfar_tf``; usable on its own.
"""
