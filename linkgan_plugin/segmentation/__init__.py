"""Segmentation networks: which ones the user has named, opening those safely, and making them."""
