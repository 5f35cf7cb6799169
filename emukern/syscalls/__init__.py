"""The system calls of the tiny kernel, grouped as Linux groups them; `table` says how they are written and found."""
