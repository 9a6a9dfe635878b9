"""Using a linked generator: photographs found in it, edits of them, and the page where people make edits."""
