"""Floor 4: slow weights, where their averaged flows go, and how a fast walk drives them."""
