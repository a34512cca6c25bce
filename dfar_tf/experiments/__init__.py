"""Hyper-parameters of many runs in; the paper's tables and figures out: printed, as files, as one page."""
