"""Readers of untrusted files: their cost is bounded, and they run nothing from a file."""
