"""The module loader: ko bytes → ModuleFile → Layout → symbols → image → Module (load.py)."""
