"""All that exists only to reproduce the paper (Sortino et al. 2024): baselines, tables, figures, experiments.

Only the command line imports this room, and only where it is asked for something of the paper.
"""
