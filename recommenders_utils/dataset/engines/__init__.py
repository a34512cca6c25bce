"""A log in, filtered and numbered sequences out: parsed in this process, or by Spark's workers.

An engine has a ``NAME`` and a method ``gather`` like ``NumpyEngine``. All engines give the same
arrays, so the engine is not part of a fingerprint.
"""
