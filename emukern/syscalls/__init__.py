"""The tiny kernel's system calls, grouped as Linux groups them; table.py says how they are written."""
