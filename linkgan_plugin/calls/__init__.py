"""Calls any generator: its two parts, its latent spaces and its steps, detected from signatures."""
