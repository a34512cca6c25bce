"""A log in, filtered and numbered sequences out: in this process with numpy, or with Spark.

An engine has a ``NAME`` and a method ``gather`` as ``NumpyEngine`` has; whichever it is, the arrays are
the same, so that nothing of it goes into a fingerprint.
"""
