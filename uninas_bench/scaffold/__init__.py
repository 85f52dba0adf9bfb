"""The beginning of somebody's plugin: a whole distribution from templates."""
