"""Volume rendering in miniature."""
