"""Registering devices: numbers, nodes, references. Reading and writing them is in the sample modules' tests."""

from __future__ import annotations

import errno

from emukern.cdecl import abi

DYNAMIC, MISC, MASK = 255, 10, (1 << 64) - 1


def node(m, name):
    """Major and minor number and permissions of a node in /dev, as ls shows them; None if it is not there."""
    found = m.guest.shell(f"ls -l /dev/{name}")
    if found.status:
        return None
    mode, _, major, minor = found.output.split()[:4]
    return int(major.rstrip(",")), int(minor), mode


def make_misc(m, name, minor=DYNAMIC, mode=0):
    record = abi().record("struct miscdevice")
    misc = m.put(record.size)
    m.k.mem.put_u32(misc, minor)
    m.k.mem.put_u64(misc + record.member("name").offset, m.put(name + b"\0"))
    m.k.mem.put_u64(misc + record.member("fops").offset, m.put(abi().record("struct file_operations").size))
    m.k.mem.put_u16(misc + record.member("mode").offset, mode)
    return misc


def test_misc_devices_get_minors_and_nodes(m):
    first, second = make_misc(m, b"one", mode=0o666), make_misc(m, b"two")
    assert m.call("misc_register", first) == 0
    assert m.call("misc_register", second) == 0
    assert node(m, "one") == (MISC, 127, "crw-rw-rw-")
    assert node(m, "two") == (MISC, 126, "crw-------")
    assert m.call("misc_register", make_misc(m, b"three", minor=127)) & 0xFFFFFFFF == -errno.EBUSY & 0xFFFFFFFF
    m.call("misc_deregister", first)
    m.call("misc_deregister", second)
    assert node(m, "one") is None
    assert m.guest.leaks() == []


def test_a_device_without_operations_refuses_politely(m):
    m.call("misc_register", make_misc(m, b"bare", mode=0o666))
    assert m.guest.shell("cat /dev/bare").output == "cat: /dev/bare: Invalid argument\n"
    assert "Invalid argument" in m.guest.shell("echo x > /dev/bare").output
    assert m.guest.leaks() != []  # the struct device
    assert all(by != "open" for _, _, by in m.guest.leaks())


def test_register_chrdev_chooses_a_major(m):
    fops = m.put(abi().record("struct file_operations").size)
    name = m.put(b"mine\0")
    assert m.call("__register_chrdev", 0, 0, 256, name, fops) == 254
    assert "254 mine\n" in m.guest.shell("cat /proc/devices").output
    assert m.call("__register_chrdev", 254, 0, 1, name, fops) == -errno.EBUSY
    m.call("__unregister_chrdev", 254, 0, 256, name)
    assert m.guest.leaks() == []


def test_classes_and_devices_make_nodes(m):
    class_ = m.call("__class_create", 0, m.put(b"things\0"), 0)
    dev = 60 << 20 | 3
    device = m.call("device_create", class_, 0, dev, 77, m.put(b"sub!thing%d\0"), 3)
    assert node(m, "sub/thing3") == (60, 3, "crw-------")
    assert m.k.mem.u64((device & MASK) + abi().record("struct device").member("driver_data").offset) == 77
    m.call("device_destroy", class_, dev)
    m.call("class_destroy", class_)
    assert m.guest.leaks() == []
    assert m.call("device_create", 0, 0, dev, 0, m.put(b"x\0")) == -errno.ENODEV


def test_opening_a_number_nobody_serves(m):
    class_ = m.call("__class_create", 0, m.put(b"things\0"), 0)
    m.call("device_create", class_, 0, 60 << 20, 0, m.put(b"nobody\0"))
    assert m.guest.shell("cat /dev/nobody").output == "cat: /dev/nobody: No such device or address\n"


def test_module_references_keep_a_module(m):
    m.guest.insmod("hello")
    this = m.k.modules["hello"].this_module
    assert m.call("try_module_get", this) == 1
    assert m.guest.shell("rmmod hello").status == errno.EAGAIN
    m.call("module_put", this)
    assert "module_put of hello, which nobody holds" in m.oops("module_put", this)
    assert m.guest.shell("rmmod hello").status == 0
    assert m.call("try_module_get", this) == 0
    assert m.call("try_module_get", 0) == 1


def test_a_release_function_gets_the_last_reference(m):
    record = abi().record("struct device")
    device = m.put(record.size)
    m.k.mem.put_u64(device + record.member("release").offset, m.guest.address("kfree"))
    m.call("device_initialize", device)
    m.call("get_device", device)
    m.call("put_device", device)
    assert device in m.k.heap.blocks
    m.call("put_device", device)
    assert device not in m.k.heap.blocks
