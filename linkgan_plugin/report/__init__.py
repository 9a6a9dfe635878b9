"""Visual output: sheets, difference maps, videos, curves and the self-contained report page."""
