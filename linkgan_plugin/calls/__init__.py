"""How to call any generator: its two halves, its latent spaces, its steps; found out from signatures."""
