"""Inversion: finding the latents of photographs, by search, with noise and tuned weights."""
