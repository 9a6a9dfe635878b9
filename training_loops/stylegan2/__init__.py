"""A StyleGAN2 host: networks, loss and presets."""
