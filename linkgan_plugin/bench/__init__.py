"""What a link costs and what it buys, as commands that anyone can run."""
