"""Published tables as data, how each is recomputed, and both beside each other.

`published` reads the tables of papers, `kinds` recompute them, `running` does both for one table and returns
a `outcome.Reproduction`: cell by cell what was printed, what came out here, and whether the two agree.
"""
