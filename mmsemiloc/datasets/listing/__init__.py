"""Which images there are and which classes they have, from folders and list files."""
