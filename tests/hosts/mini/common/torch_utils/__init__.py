"""Part of a miniature host."""
