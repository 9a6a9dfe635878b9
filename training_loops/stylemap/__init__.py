"""StyleMapGAN (Kim et al. 2021): a latent with spatial dimensions, and an encoder trained with the generator."""
