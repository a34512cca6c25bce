"""A log in, the same arrays out as with numpy: Spark parses the text, this process gathers the numbers."""
