"""Segmentation networks: names given by the user, safe opening, and training."""
