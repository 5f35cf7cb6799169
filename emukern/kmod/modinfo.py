"""The text of `modinfo`, in kmod's format: one "key:            value" line for each entry of .modinfo."""

from __future__ import annotations

from emukern.kmod.file import ModuleFile

_WIDTH = 16
_INTERNAL = {"parm", "parmtype"}  # told together, in lines of their own


def modinfo(file: ModuleFile, filename: str) -> str:
    """What `modinfo` prints about a ko, without the last newline."""
    lines = [_line("filename", filename)]
    lines += [_line(key, value) for key, value in file.modinfo if key not in _INTERNAL]
    lines += [_line("parm", parameter(*told)) for told in file.params]
    return "\n".join(lines)


def field(file: ModuleFile, name: str) -> list[str]:
    """The values that `modinfo -F name` prints."""
    if name == "parm":
        return [parameter(*told) for told in file.params]
    return file.infos(name)


def parameter(name: str, kind: str, description: str) -> str:
    """kmod's words for one parameter: "who:whom to greet (charp)", or "who:charp" if it is not described."""
    return f"{name}:{description} ({kind})" if kind and description else f"{name}:{description or kind}"


def _line(key: str, value: str) -> str:
    return f"{key}:".ljust(_WIDTH) + value
