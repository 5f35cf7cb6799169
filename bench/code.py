"""Guest machine code for measurements, small enough to be assembled by hand."""

import struct

RISCV_X0, RISCV_RA, RISCV_SP, RISCV_S0, RISCV_S1, RISCV_A0, RISCV_A7 = 0, 1, 2, 8, 9, 10, 17


def addi(rd, rs, value):
    return struct.pack("<I", (value & 0xFFF) << 20 | rs << 15 | rd << 7 | 0x13)


def lui(rd, value):
    return struct.pack("<I", (value & 0xFFFFF) << 12 | rd << 7 | 0x37)


def sd(rs, offset, base):
    return struct.pack("<I", (offset >> 5) << 25 | rs << 20 | base << 15 | 3 << 12 | (offset & 31) << 7 | 0x23)


def ld(rd, offset, base):
    return struct.pack("<I", offset << 20 | base << 15 | 3 << 12 | rd << 7 | 0x03)


def jalr(rd, rs):
    return struct.pack("<I", rs << 15 | rd << 7 | 0x67)


def bnez(rs, back):
    """Branch `back` bytes backwards."""
    offset = -back & 0x1FFF
    word = (offset >> 12) << 31 | (offset >> 5 & 63) << 25 | rs << 15 | 1 << 12
    return struct.pack("<I", word | (offset >> 1 & 15) << 8 | (offset >> 11 & 1) << 7 | 0x63)


ECALL = struct.pack("<I", 0x73)
SAVED = (RISCV_RA, RISCV_S0, RISCV_S1, 18, 19, 20)  # ra, s0 to s4


def repeat(arch):
    """void repeat(long n, void (*f)(long, long, long), long a, long b, long c): call f(a, b, c) n times."""
    if arch == "x86_64":
        return bytes.fromhex(
            "53 55 41 54 41 55 41 56"  # push rbx, rbp, r12, r13, r14
            "48 89 fb 48 89 f5 49 89 d4 49 89 cd 4d 89 c6"  # mov them from rdi, rsi, rdx, rcx, r8
            "4c 89 e7 4c 89 ee 4c 89 f2"  # mov rdi, r12; mov rsi, r13; mov rdx, r14
            "ff d5 48 ff cb 75 f0"  # call rbp; dec rbx; jnz to the first mov
            "41 5e 41 5d 41 5c 5d 5b c3"  # pop them; ret
        )
    body = addi(10, 18, 0) + addi(11, 19, 0) + addi(12, 20, 0) + jalr(RISCV_RA, RISCV_S1) + addi(8, 8, -1)
    return (
        addi(RISCV_SP, RISCV_SP, -48)
        + b"".join(sd(register, 8 * i, RISCV_SP) for i, register in enumerate(SAVED))
        + b"".join(addi(saved, RISCV_A0 + i, 0) for i, saved in enumerate(SAVED[1:]))
        + body
        + bnez(RISCV_S0, len(body))
        + b"".join(ld(register, 8 * i, RISCV_SP) for i, register in enumerate(SAVED))
        + addi(RISCV_SP, RISCV_SP, 48)
        + jalr(RISCV_X0, RISCV_RA)
    )


def compare(arch):
    """int compare(const u32 *a, const u32 *b): their order, for sort()."""
    if arch == "x86_64":
        return bytes.fromhex("8b 07 3b 06 0f 97 c0 0f b6 c0 c3")  # mov eax,[rdi]; cmp eax,[rsi]; seta al; movzx; ret
    words = (0x00056503, 0x0005E583)  # lwu a0, 0(a0); lwu a1, 0(a1)
    return struct.pack("<II", *words) + struct.pack("<I", 0x00A5B533) + jalr(0, 1)  # sltu a0, a1, a0; ret


def syscall_loop(arch, count):
    """A static program that calls getppid() so many times and exits."""
    if arch == "x86_64":
        loop = bytes.fromhex("b8 6e 00 00 00 0f 05 ff cb 75 f5")  # mov eax, 110; syscall; dec ebx; jnz
        text = b"\xbb" + struct.pack("<I", count) + loop + bytes.fromhex("b8 e7 00 00 00 31 ff 0f 05")
    else:
        loop = addi(RISCV_A7, 0, 173) + ECALL + addi(8, 8, -1)
        text = lui(8, count >> 12) + addi(8, 8, count & 0x7FF) + loop + bnez(8, len(loop))
        text += addi(RISCV_A7, 0, 94) + addi(RISCV_A0, 0, 0) + ECALL
    machine, base, start = {"x86_64": 62, "riscv64": 243}[arch], 0x400000, 0x78
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, start + len(text), start + len(text), 4096)
    return ident + header + segment + text
