"""Measurements of what links cost and what they achieve."""
