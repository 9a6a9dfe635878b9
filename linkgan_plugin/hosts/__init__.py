"""Host adapters: how to call a host's networks and follow its training loop, by capability."""
