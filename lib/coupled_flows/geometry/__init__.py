"""Floor 0: manifolds, potentials, embeddings and the checks every public function shares."""
