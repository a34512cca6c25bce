"""The results book: a benchmark file comes in; trained cells, tables, tests and verdicts go out."""
