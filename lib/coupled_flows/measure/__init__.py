"""Floor 1: laws, distances between them, and orders of convergence."""
