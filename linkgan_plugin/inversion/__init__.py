"""Inversion: finding the latents of photographs by optimisation, with noise maps and tuned weights."""
