"""Compiles what the package carries besides Python: guest kernel, user programs, sample modules, native hook.

Run by pip for the wheel and for the editable install, or by hand (`python hatch_build.py`) to rebuild in
place. The work is in buildsystem/; products land in emukern/built, which is never committed.
"""

from __future__ import annotations

import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # hatchling loads this file alone; buildsystem lies beside it

from buildsystem.recipes import build  # noqa: E402
from buildsystem.toolchain import BuildError  # noqa: E402

if TYPE_CHECKING:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
else:
    try:
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    except ImportError:  # run by hand, without the build's requirements
        BuildHookInterface = object


def rebuild() -> list[str]:
    """Bring emukern/built up to date; the warnings. When it cannot, the process ends with the reason."""
    try:
        return build(ROOT).warnings
    except BuildError as error:
        sys.exit(f"emukern: {error}")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling calls `initialize` before it gathers the files of a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and mark the wheel as belonging to this platform when it carries the native hook."""
        for warning in rebuild():
            self.app.display_warning(warning)
        if (ROOT / "emukern" / "built" / "native.so").exists():
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"


if __name__ == "__main__":
    started = time.monotonic()
    for line in rebuild():
        print(f"warning: {line}", file=sys.stderr)
    print(f"emukern/built is up to date ({time.monotonic() - started:.2f} s)")
