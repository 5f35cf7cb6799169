"""What all tests share: the package's own pytest plugin, also where the package is not installed."""

from importlib.metadata import entry_points

from hypothesis import settings

settings.register_profile("emukern", deadline=None, derandomize=True)  # the same examples on every run
settings.load_profile("emukern")

pytest_plugins = ["pytester"]
if not any(entry.value == "emukern.pytest_plugin" for entry in entry_points(group="pytest11")):
    pytest_plugins.append("emukern.pytest_plugin")
