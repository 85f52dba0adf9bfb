"""Measured accuracies: tables, their import, their noise ceiling, and the training of new ones."""
