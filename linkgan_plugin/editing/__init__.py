"""Editing images of a linked generator: steps, undo, directions, and pasting into photographs."""
