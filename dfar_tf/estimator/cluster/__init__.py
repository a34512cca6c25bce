"""Training by several processes: ``TF_CONFIG`` in, a trained run out."""
