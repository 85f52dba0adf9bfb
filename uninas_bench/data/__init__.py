"""Image sources: where the pixels that proxies and trainings see come from."""
