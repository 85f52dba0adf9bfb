"""What is trained: an architecture, its network, and the network as all tasks use it."""
