"""Cameras of 3D-aware generators: projection between pixels and the world, and orbits."""
