"""One plugin of every kind, each in its own module so that using one imports no other."""
