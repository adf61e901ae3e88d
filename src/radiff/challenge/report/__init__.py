"""Scores to a page with plots, and to tables."""
