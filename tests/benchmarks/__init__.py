"""Benchmarks for developers: what is measured here beside other codebases, on a checkout."""
