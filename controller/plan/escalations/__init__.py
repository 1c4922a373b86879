"""What a human is asked, and what follows from the answers."""
