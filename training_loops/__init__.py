"""Reference hosts written from scratch: StyleGAN-family training loops in pure PyTorch."""
