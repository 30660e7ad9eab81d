"""Floor 2: the Langevin problem, the walks that approximate it, and the engine that runs them."""
