"""C declarations that BTF leaves out: globals one often wants to see, functions in assembly, what headers make inline.

BTF tells the types of functions written in C and of per-cpu variables only. A line here counts where the kernel has
both the symbol and the types; a name that is not here can be declared by whoever uses it.
"""

from __future__ import annotations

import re
from functools import cache

GLOBALS = """
struct task_struct init_task;
struct mm_struct init_mm;
struct cred init_cred;
struct net init_net;
struct pid_namespace init_pid_ns;
struct user_namespace init_user_ns;
struct uts_namespace init_uts_ns;
struct ipc_namespace init_ipc_ns;
struct nsproxy init_nsproxy;
struct list_head modules;
struct list_head net_namespace_list;
struct list_head super_blocks;
struct list_head slab_caches;
struct list_head crypto_alg_list;
struct list_head workqueues;
struct file_system_type *file_systems;
struct kset *module_kset;
struct kobject *kernel_kobj;
struct kobject *fs_kobj;
struct kobject *firmware_kobj;
struct workqueue_struct *system_wq;
struct workqueue_struct *system_highpri_wq;
struct workqueue_struct *system_long_wq;
struct workqueue_struct *system_unbound_wq;
struct workqueue_struct *system_freezable_wq;
struct bus_type platform_bus_type;
struct bus_type pci_bus_type;
struct bus_type i2c_bus_type;
struct bus_type spi_bus_type;
struct device platform_bus;
struct resource ioport_resource;
struct resource iomem_resource;
struct printk_ringbuffer *prb;
struct cpumask __cpu_possible_mask;
struct cpumask __cpu_online_mask;
struct cpumask __cpu_present_mask;
struct cpuinfo_x86 boot_cpu_data;
struct pglist_data contig_page_data;
struct pglist_data *node_data[];
struct kmem_cache *kmem_cache;
struct kmem_cache *names_cachep;
struct proc_dir_entry proc_root;
struct mutex module_mutex;
struct mutex text_mutex;
rwlock_t tasklist_lock;
enum system_states system_state;
unsigned long jiffies;
u64 jiffies_64;
unsigned long loops_per_jiffy;
unsigned long total_forks;
unsigned long tainted_mask;
unsigned long max_pfn;
unsigned long max_low_pfn;
unsigned long min_low_pfn;
unsigned long page_offset_base;
unsigned long vmalloc_base;
unsigned long vmemmap_base;
unsigned long phys_base;
unsigned long __per_cpu_offset[];
atomic_long_t _totalram_pages;
unsigned int nr_cpu_ids;
int nr_threads;
int panic_timeout;
int panic_on_oops;
int panic_on_warn;
int oops_in_progress;
int console_printk[4];
int sysctl_panic_on_oom;
char linux_banner[];
char boot_command_line[];
char *saved_command_line;
unsigned char _ctype[];
char hex_asc[];
"""

FUNCTIONS = """
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *s, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t n);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t n);
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);
void clear_page(void *page);
void copy_page(void *to, void *from);
unsigned long __asm_copy_to_user(void *to, const void *from, unsigned long n);
unsigned long __asm_copy_from_user(void *to, const void *from, unsigned long n);
unsigned long __clear_user(void *to, unsigned long n);
unsigned int __sw_hweight32(unsigned int w);
unsigned long __sw_hweight64(u64 w);
unsigned long long sched_clock(void);
int vfs_statfs(const struct path *path, struct kstatfs *buf);
bool of_node_name_eq(const struct device_node *np, const char *name);
long user_read(const struct key *key, char *buffer, size_t buflen);
void user_destroy(struct key *key);
int acpi_bus_scan(acpi_handle handle);
bool ring_buffer_empty_cpu(struct trace_buffer *buffer, int cpu);
void sched_set_normal(struct task_struct *p, int nice);
int phy_init(struct phy *phy);
int phy_exit(struct phy *phy);
"""

# A function of the headers → the symbols that do its work with the same arguments, the newest kernel's first.
INLINE = {
    "kmalloc": ("__kmalloc_noprof", "__kmalloc"),
    "printk": ("_printk",),
    "strscpy": ("sized_strscpy",),
    "copy_to_user": ("_copy_to_user",),
    "copy_from_user": ("_copy_from_user",),
}
PROFILED = "_noprof"  # since Linux 6.10 allocators are macros around functions of that ending

_NAME = re.compile(r"(\w+)\s*(?:\(.*\)|\[\d*\])?;")


@cache
def known() -> dict[str, str]:
    """The declarations above by the name they declare."""
    lines = (GLOBALS + FUNCTIONS).strip().splitlines()
    return {found[1]: line for line in lines if (found := _NAME.search(line))}
