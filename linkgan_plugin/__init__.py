"""Link latent axes of a GAN to image regions: resample the axes, and only that region changes."""

__version__ = "0.1.0"
