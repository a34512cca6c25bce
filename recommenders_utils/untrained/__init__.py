"""In: the training records of a SequenceStore. Out: scores of histories against items, without a
trained parameter: ``registry.fit`` and ``registry.load`` give a ``base.Untrained``."""
