"""A distribution's own kernel, unmodified: its image, the machine it runs on, and what loads modules onto it."""
