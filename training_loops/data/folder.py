"""The former place of `training_loops.formats.folder`, which training_options.json of earlier runs names."""

from ..formats.folder import ImageFolderDataset

__all__ = ["ImageFolderDataset"]
