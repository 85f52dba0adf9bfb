"""Features of any kind of network, which `extraction` finds, and the `heads` that are put on them."""
