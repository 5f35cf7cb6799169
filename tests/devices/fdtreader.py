"""Reads a flattened devicetree back into nested dictionaries: properties as bytes, children as dictionaries."""

import struct


def read(blob):
    """The root node of a devicetree."""
    magic, total, structure, strings, reservations, version, compatible, _, strings_size, size = struct.unpack_from(
        ">10I", blob
    )
    assert (magic, version, compatible) == (0xD00DFEED, 17, 16)
    assert total == len(blob) == strings + strings_size
    assert blob[reservations : reservations + 16] == bytes(16)
    assert structure % 4 == 0
    names = blob[strings : strings + strings_size]
    at, stack = structure, [{}]
    while (token := struct.unpack_from(">I", blob, at)[0]) != 9:
        at += 4
        if token == 1:
            end = blob.index(b"\0", at)
            child = {}
            stack[-1][blob[at:end].decode()] = child
            stack.append(child)
            at = end + 4 & -4
        elif token == 2:
            stack.pop()
        else:
            assert token == 3
            length, name = struct.unpack_from(">II", blob, at)
            key = names[name : names.index(b"\0", name)].decode()
            assert key not in stack[-1]
            stack[-1][key] = blob[at + 8 : at + 8 + length]
            at = at + 8 + length + 3 & -4
    assert at + 4 == structure + size
    assert len(stack) == 1
    return stack[0][""]


def cells(value):
    """A property's 32-bit cells."""
    return struct.unpack(f">{len(value) // 4}I", value)
