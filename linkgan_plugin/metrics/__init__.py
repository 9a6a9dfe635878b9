"""Region metrics: one file each, the pass that feeds them, and quality proxies."""
