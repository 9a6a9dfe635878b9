"""The packages that setup.cfg cannot list by itself: all that are found, and the patches, which lie at the top."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["linkgan_plugin*", "training_loops*"]), "linkgan_plugin.patches"])
