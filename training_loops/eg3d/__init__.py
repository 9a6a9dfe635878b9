"""A 3D-aware host: the tri-plane networks of EG3D, its cameras, loss and presets."""
