"""In: the training records of a SequenceStore. Out: scores of histories against items, without a
trained parameter: ``registry.fit`` and ``registry.load`` give a ``base.Untrained``."""

# Here, since they are asked for before numpy is needed.
NAMES = ("mostpop", "leastpop", "newest", "itemknn", "transitions", "random")
