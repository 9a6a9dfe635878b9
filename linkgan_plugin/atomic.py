"""Atomic writes, as the embedded hosts do them: a file under its final name is always whole."""

from training_loops.atomic import replacing, write_bytes, write_json

__all__ = ["replacing", "write_bytes", "write_json"]
