"""Records in; a ``SequenceStore`` with splits and candidates out, kept on disk under a fingerprint."""
