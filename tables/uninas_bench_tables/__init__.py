"""Data that comes with uninas-bench; README.md says where each number comes from."""
