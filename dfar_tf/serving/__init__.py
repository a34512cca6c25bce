"""A trained run put to use: scores, top-K lists and a SavedModel, all by raw ids."""
