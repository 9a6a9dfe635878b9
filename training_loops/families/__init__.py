"""Generators G(z) before and beside StyleGAN, one file each: its paper, networks, loss and preset."""
