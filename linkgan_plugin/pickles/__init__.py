"""Reads host pickles without running any code from them."""
