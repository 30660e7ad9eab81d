"""Floor 3: generators and one-step operators as matrices, with what can be solved with them."""
