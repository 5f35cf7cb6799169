"""include/linux/miscdevice.h: devices that share major number 10, each with a minor number and a node of its own."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kapi.device import make_device
from emukern.kapi.export import export
from emukern.kernel.chrdev import MINOR_BITS, MISC_MAJOR
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

DYNAMIC = 255  # MISC_DYNAMIC_MINOR


@export("int misc_register(struct miscdevice *misc)")
def misc_register(k: Kernel, misc: Ptr) -> int:
    """Raises EBUSY for a minor number that is taken, or when none is left."""
    if misc.minor == DYNAMIC:
        misc.minor = k.chrdev.free_misc_minor()
    elif misc.minor in k.chrdev.misc:
        raise Errno(errno.EBUSY)
    name = (misc.nodename or misc.name).str_()
    device = make_device(k, misc.name.str_(), MISC_MAJOR << MINOR_BITS | misc.minor, parent=misc.parent.addr_)
    device.driver_data = misc
    misc.this_device = device
    k.chrdev.misc[misc.minor] = misc.addr_
    k.devfs.add(name, MISC_MAJOR, misc.minor, misc.mode or 0o600)
    return 0


@export("void misc_deregister(struct miscdevice *misc)")
def misc_deregister(k: Kernel, misc: Ptr) -> None:
    if k.chrdev.misc.get(misc.minor) != misc.addr_:
        return
    del k.chrdev.misc[misc.minor]
    k.devfs.remove((misc.nodename or misc.name).str_())
    k.heap.free(misc.this_device.addr_, by=k.caller)
    misc.this_device = 0
