"""Random worlds played forward for simulated days: whether the core is safe at every moment and keeps its word over time."""
