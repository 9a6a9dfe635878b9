"""R3GAN, the modern baseline of Huang et al. (NeurIPS 2024): its networks from scratch, under the public names."""
