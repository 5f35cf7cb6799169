"""Guest addresses of x86_64; Linux's own (Documentation/arch/x86/x86_64/mm.rst), without randomisation."""

from emukern.arch import Layout

LAYOUT = Layout(
    ram=0,
    image=0xFFFF_FFFF_8000_0000,
    direct_map=0xFFFF_8880_0000_0000,
    vmalloc=0xFFFF_C900_0000_0000,
    vmalloc_size=1 << 30,
    modules=0xFFFF_FFFF_C000_0000,
    modules_size=0x3F00_0000,
    stubs=0xFFFF_FFFF_BF00_0000,
    user_top=0x7FFF_FFFF_F000,
    user_top_compat=0xFFFF_E000,
)
