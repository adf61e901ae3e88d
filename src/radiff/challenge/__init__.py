"""Data challenges in a box: a public map with hidden truth, finders, matching and scores. No torch."""
