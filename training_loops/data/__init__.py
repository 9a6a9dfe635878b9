"""Data for the embedded hosts: the hosts' format on disk, and procedural pictures with exact masks."""
