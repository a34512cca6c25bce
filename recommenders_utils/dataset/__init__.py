"""From a ratings file to sequences: reading, filtering, splitting, candidates, storage."""
