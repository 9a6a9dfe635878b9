"""Reading pickles without running anything: our own machine over inert values."""
