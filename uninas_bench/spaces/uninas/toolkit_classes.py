"""The classes of the authors' package `uninas` 1.x, and which of our operations they are.

In its files a subblock is a tree: a ``SequentialModule`` lists nodes, and a node that opens something holds
the ``SequentialModule`` of what lies inside.
"""

from __future__ import annotations

LEAVES = {
    "BatchNorm": "batch_norm", "Conv1": "conv1", "Conv3": "conv3", "ConvDepth3": "conv_depth3",
    "ConvDepth5": "conv_depth5", "Dropout": "dropout", "GELU": "gelu", "Identity": "identity",
    "LayerNorm": "layer_norm", "Mask": "mask", "MaxPool": "max_pool", "RelPosBias": "rel_pos_bias",
    "Sigmoid": "sigmoid", "Softmax": "softmax", "Zero": "zero",
}  # fmt: skip
"""The package's classes with one input and one output, and our operations."""
PARAMS = {
    **dict.fromkeys([*LEAVES, "MatmulLeft", "MatmulRight"], frozenset[str]()),
    "SequentialModule": frozenset({"modules"}),
    "ForkMerge": frozenset({"branches_count", "fork_merge_tuple", "branches"}),
    "ForkMergeAttention": frozenset(
        {"branches", "matmullefts", "matmulrights", "connections", "post_branches"}
    ),
    "ExpandAndReduce": frozenset({"sequential", "factor", "scheme"}),
    "ReduceAndExpand": frozenset({"sequential", "factor", "scheme"}),
    "AvgAndUpsample": frozenset({"sequential"}),
}
"""The parameters of every class."""
FORKS = (
    ("chunk", "concat", 2), ("chunk", "concat", 3), ("copy", "add", 2), ("copy", "add", 3),
    ("copy", "multiply", 2),
)  # fmt: skip
HEADS = (3, 6, 12, 24)
"""Numbers of heads, of 32 channels each, that the package's attention can have."""
