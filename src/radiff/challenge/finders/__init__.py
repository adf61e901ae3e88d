"""Finders of sources, each a map to a catalog in the same columns. No torch."""
