"""Reading host pickles without running anything in them."""
