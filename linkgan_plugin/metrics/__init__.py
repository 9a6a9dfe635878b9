"""Region metrics, one file each; the evaluation pass; and quality proxies."""
