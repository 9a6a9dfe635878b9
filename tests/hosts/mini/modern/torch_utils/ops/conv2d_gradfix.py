"""Switches of the fast convolutions, which a miniature host does without."""

enabled = False
