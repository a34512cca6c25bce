"""Metrics, from arrays or from a stored file of predictions."""
