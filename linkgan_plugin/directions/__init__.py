"""Methods that find directions of any network."""
