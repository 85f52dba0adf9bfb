"""Baselines: a board recorded in a file, and what of it has changed since."""
