/* <asm/processor.h>: what cpuid says, where boot_cpu_has() finds it inlined into modules.
 *
 * The words are those of the machine's CPU model, Westmere; tests/stock/test_processor.py executes cpuid and compares.
 * Members are up to and including the feature words, which is all that inlined code reads; their order is Linux 6.1's.
 */
#include <stdint.h>

#include <emukern/export.h>

enum { /* feature words, <asm/cpufeatures.h> */
	LEAF_1_EDX = 0,
	LEAF_80000001_EDX = 1,
	LINUX_DEFINED = 3,
	LEAF_1_ECX = 4,
	LEAF_80000001_ECX = 6,
	WORDS = 32, /* more than any kernel has, bugs included; the rest is zero: nothing newer is there */
};

#define REP_GOOD  (1u << 16) /* string instructions are fast */
#define NOPL      (1u << 20)
#define ALWAYS    (1u << 21)

struct cpuinfo_x86 {
	uint8_t family, vendor, model, stepping;
	int tlb_size;
	uint32_t vmx_capability[5];
	uint8_t virtual_bits, physical_bits, core_id_bits, cu_id;
	uint32_t extended_cpuid_level;
	int cpuid_level;
	uint32_t capability[WORDS];
	char vendor_id[16];
	char model_id[64];
};

_Static_assert(__builtin_offsetof(struct cpuinfo_x86, capability) == 40, "where Linux 6.1's modules look");

struct cpuinfo_x86 boot_cpu_data = {
	.family = 6,
	.model = 0x2c,
	.stepping = 1,
	.virtual_bits = 48,
	.physical_bits = 40,
	.extended_cpuid_level = 0x80000008,
	.cpuid_level = 11,
	.capability = {
		[LEAF_1_EDX] = 0x078bfbfd,
		[LEAF_80000001_EDX] = 0x20100800,
		[LINUX_DEFINED] = REP_GOOD | NOPL | ALWAYS,
		[LEAF_1_ECX] = 0x82982203,
		[LEAF_80000001_ECX] = 0x00000001,
	},
	.vendor_id = "GenuineIntel",
	.model_id = "Westmere E56xx/L56xx/X56xx (Nehalem-C)",
};
EXPORT_SYMBOL(boot_cpu_data);
