"""Guest addresses of riscv64; Linux's own for Sv39 (Documentation/arch/riscv/vm-layout.rst)."""

from emukern.arch import Layout

LAYOUT = Layout(
    ram=0x8000_0000,
    image=0xFFFF_FFFF_8000_0000,
    direct_map=0xFFFF_FFD6_0000_0000,
    vmalloc=0xFFFF_FFC8_0000_0000,
    vmalloc_size=1 << 30,
    modules=0xFFFF_FFFF_1000_0000,  # from here a call reaches the end of the image
    modules_size=0x6000_0000,
    stubs=0xFFFF_FFFF_7F00_0000,
    user_top=0x3F_FFFF_F000,
    user_top_compat=0,
)
