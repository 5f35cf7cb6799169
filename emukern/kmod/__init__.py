"""The module loader: ko bytes → ModuleFile → Layout → symbols → image → Module, in Linux's order (see load.py)."""
