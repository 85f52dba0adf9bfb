"""Recipes: what they state, how they are read, and what they must be."""
