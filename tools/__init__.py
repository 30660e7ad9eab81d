"""What makes the website. No part of the library, and the library knows nothing of it."""
