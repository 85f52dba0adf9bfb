"""From scores and ground truth to a ranked frame."""
