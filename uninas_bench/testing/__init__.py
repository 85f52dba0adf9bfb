"""Conformance suites for authors of plugins: subclass one, give it your object, run pytest."""
