"""Reads pickles without running code: a separate pickle machine over inert values."""
