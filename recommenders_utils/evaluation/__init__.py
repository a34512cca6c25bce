"""Labels and scores in, as arrays or a file of predictions; metrics and tests of differences out."""
