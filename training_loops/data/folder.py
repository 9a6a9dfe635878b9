"""The former module of `training_loops.formats.folder`; training_options.json of earlier runs refers to it."""

from ..formats.folder import ImageFolderDataset

__all__ = ["ImageFolderDataset"]
