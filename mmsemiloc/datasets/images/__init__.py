"""How one image is read: its header, its pixels, and what happens if it cannot be read."""
