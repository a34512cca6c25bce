"""Layers of the systems that DFAR is compared with."""
