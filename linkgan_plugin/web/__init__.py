"""The web pages for editing images and for drawing regions, and their servers."""
