"""What the loader says about a module before it gives it memory: `check_modinfo` and taints (6.1)."""

from __future__ import annotations

import errno

from emukern.kmod.file import ModuleFile
from emukern.kmod.host import ModuleHost
from emukern.kmod.module import Module, State
from emukern.kmod.refusal import ERR, WARNING, Refused

IGNORE_MODVERSIONS, IGNORE_VERMAGIC, COMPRESSED_FILE = 1, 2, 4  # flags of finit_module
_UNRELIABLE = {"P", "F", "R", "B", "D"}  # taints after which Linux no longer trusts its lock debugging


def check_modinfo(k: ModuleHost, file: ModuleFile, module: Module, flags: int) -> None:
    """Version magic, origin and license: refusals raise `Refused`, doubts are logged and taint."""
    _check_vermagic(k, file, module, flags)
    if file.info("intree") is None:
        if "O" not in k.taints:
            k.log.emit(WARNING, f"{file.name}: loading out-of-tree module taints kernel.")
        taint(k, module, "O")
    if file.info("staging") is not None:
        taint(k, module, "C")
        text = "module is from the staging directory, the quality is unknown, you have been warned."
        k.log.emit(WARNING, f"{file.name}: {text}")
    if file.info("livepatch") is not None:
        text = "module is marked as livepatch module, but livepatch support is disabled"
        raise Refused(errno.ENOEXEC, (ERR, f"{file.name}: {text}"))
    if not file.gpl_compatible:
        if "P" not in k.taints:
            k.log.emit(WARNING, f"{file.name}: module license '{file.license}' taints kernel.")
        taint(k, module, "P")
    if file.info("test") is not None:
        if "N" not in k.taints:
            k.log.emit(WARNING, f"{file.name}: loading test module taints kernel.")
        taint(k, module, "N")


def _check_vermagic(k: ModuleHost, file: ModuleFile, module: Module, flags: int) -> None:
    if k.vermagic is None:
        return
    magic = None if flags & IGNORE_VERMAGIC else file.info("vermagic")
    if magic is None:
        if "F" not in k.taints:
            k.log.emit(WARNING, f"{file.name}: bad vermagic: kernel tainted.")
        taint(k, module, "F")
        return
    # With symbol versions the release, the first word, may differ.
    ours, theirs = ((t.partition(" ")[2] if file.versions else t) for t in (k.vermagic, magic))
    if ours != theirs:
        text = f"{file.name}: version magic '{magic}' should be '{k.vermagic}'"
        raise Refused(errno.ENOEXEC, (ERR, text))


def taint(k: ModuleHost, module: Module, letter: str) -> None:
    """Taint the module and the kernel (add_taint_module)."""
    if letter in _UNRELIABLE and not k.taints & _UNRELIABLE:
        k.log.emit(WARNING, "Disabling lock debugging due to kernel taint")
    k.taints.add(letter)
    module.taint(letter)


def check_unique(k: ModuleHost, name: str) -> None:
    """EEXIST for a module that is there, EBUSY for one that comes or goes; Linux says nothing."""
    other = k.modules.get(name)
    if other is not None:
        raise Refused(errno.EEXIST if other.state is State.LIVE else errno.EBUSY)


def check_module_layout(k: ModuleHost, file: ModuleFile) -> None:
    """The version of `module_layout` stands for that of struct module itself (check_modstruct_version)."""
    symbol = k.symbols.find("module_layout")
    if symbol is None or symbol.crc is None or not file.versions:
        return
    built = file.versions.get("module_layout")
    if built != symbol.crc:
        what = "no symbol version for" if built is None else "disagrees about version of symbol"
        raise Refused(errno.ENOEXEC, (WARNING, f"{file.name}: {what} module_layout"))


def check_sections(file: ModuleFile) -> None:
    """What `find_module_sections` refuses."""
    if file.elf.section(".ctors") and file.elf.section(".init_array"):
        raise Refused(errno.EINVAL, (WARNING, f"{file.name}: has both .ctors and .init_array."))


def check_exports(k: ModuleHost, module: Module) -> None:
    """Nobody may export a name that is exported already."""
    for symbol in module.exports:
        other = k.symbols.find(symbol.name)
        if other is not None:
            text = f"{module.name}: exports duplicate symbol {symbol.name} (owned by {other.owner or 'kernel'})"
            raise Refused(errno.ENOEXEC, (ERR, text))
