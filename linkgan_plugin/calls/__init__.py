"""How to call any generator: its two parts, its latent spaces, its steps; found out from signatures."""
