"""Cameras of 3D-aware generators: what a pixel shows of the world, and orbits around it."""
