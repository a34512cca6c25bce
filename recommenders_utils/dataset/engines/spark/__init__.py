"""A log in, the same arrays out as with numpy: what is large stays with Spark, what comes back is final."""
