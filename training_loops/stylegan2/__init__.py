"""A StyleGAN2 host: networks, loss, training loop and presets."""
