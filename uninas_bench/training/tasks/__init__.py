"""What networks are trained for: heads, losses and metrics of classification, detection and segmentation."""
