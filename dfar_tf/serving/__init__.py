"""A trained run in; scores, top-K lists and a SavedModel out, all by raw ids."""
