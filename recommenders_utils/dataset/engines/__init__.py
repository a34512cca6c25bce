"""A log in, filtered and numbered sequences out: in this process with numpy, or with Spark.

An engine has a ``NAME`` and a method ``gather`` like ``NumpyEngine``. All engines give the same
arrays, so the engine is not part of a fingerprint.
"""
