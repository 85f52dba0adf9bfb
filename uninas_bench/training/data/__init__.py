"""What trainings see: readers of the usual layouts, augmentation, and an order that follows from a seed."""
