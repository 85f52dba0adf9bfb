"""Contact sheets of the tasks, and the figure of their subsets."""
