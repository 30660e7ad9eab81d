"""Floor 5: particles and weights coupled both ways, and the one functional that falls."""
