"""Images as pixels: from tensors, drawn on, and written as PNG."""
