"""The page where people click on a region of an image to redraw it, and its server."""
