"""What people look at: sheets, difference maps, videos, curves and the self-contained page."""
