"""Alias-free generators: the networks of StyleGAN3-T and StyleGAN3-R."""
