"""Data for the embedded hosts: the hosts' format on disk, and procedural images with exact masks."""
