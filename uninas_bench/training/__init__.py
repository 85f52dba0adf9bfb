"""The full training protocol: recipes, data, heads, one loop for all tasks, checkpoints and results."""
