"""Executors: where work units run."""
