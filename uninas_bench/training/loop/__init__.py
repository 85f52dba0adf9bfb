"""The loop of all tasks: schedule, steps, evaluations, checkpoints and the log."""
