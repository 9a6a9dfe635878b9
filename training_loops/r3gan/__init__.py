"""R3GAN, the modern baseline of Huang et al. (NeurIPS 2024): networks written from scratch, with the public names."""
