"""Readers of files that may come from anybody: bounded, and nothing in a file is run."""
