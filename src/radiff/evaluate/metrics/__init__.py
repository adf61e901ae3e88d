"""Figures of one or two sets of images, each with its interval. Knows no networks and no files."""
