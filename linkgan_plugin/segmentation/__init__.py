"""Segmentation networks: opening them safely, and training a small one."""
