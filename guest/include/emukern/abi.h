/*
 * Every structure and number that the guest kernel, modules and Python share: written once, here.
 *
 * The C compiler reads this file and so does emukern/cdecl.py, which knows struct, union, enum, typedef and
 * #define NAME integer, and nothing else: no macros with arguments, no #if, no attributes. All layouts are those of 64-bit
 * code. Where stock Linux modules have a structure compiled in, its layout is that of Linux 6.1 (x86_64 and riscv64 agree);
 * those that say "ours" hold only the members modules may touch. tests/test_abi.py compares the offsets.
 */
#ifndef EMUKERN_ABI_H
#define EMUKERN_ABI_H

/* ---- types.h ---- */
typedef signed char s8, __s8;
typedef unsigned char u8, __u8;
typedef short s16, __s16;
typedef unsigned short u16, __u16, __le16, __be16, umode_t;
typedef int s32, __s32, pid_t;
typedef unsigned int u32, __u32, __le32, __be32, dev_t, uid_t, gid_t, fmode_t, gfp_t, slab_flags_t, __poll_t;
typedef long long s64, __s64, loff_t, ktime_t, time64_t;
typedef unsigned long long u64, __u64, __le64, __be64, phys_addr_t;
typedef long ssize_t, off_t, ptrdiff_t;
typedef unsigned long size_t, uintptr_t;
typedef _Bool bool;

typedef struct { int counter; } atomic_t;
typedef struct { long long counter; } atomic64_t;
typedef atomic64_t atomic_long_t;
typedef struct refcount_struct { atomic_t refs; } refcount_t;

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
struct rb_node { unsigned long __rb_parent_color; struct rb_node *rb_right; struct rb_node *rb_left; };
struct rb_root { struct rb_node *rb_node; };
struct lock_class_key { char unused; };

/* What list_del leaves behind, so that a second use is recognised. */
#define LIST_POISON1 0xdead000000000100
#define LIST_POISON2 0xdead000000000122

/* ---- locks ---- */
typedef struct raw_spinlock { u32 slock; } raw_spinlock_t;
typedef struct spinlock { struct raw_spinlock rlock; } spinlock_t;
typedef struct { u32 cnts; u32 wait_lock; } rwlock_t;

struct mutex {
	atomic_long_t owner;
	raw_spinlock_t wait_lock;
	u32 osq;
	struct list_head wait_list;
};

struct rw_semaphore {
	atomic_long_t count;
	atomic_long_t owner;
	u32 osq;
	raw_spinlock_t wait_lock;
	struct list_head wait_list;
};

struct semaphore {
	raw_spinlock_t lock;
	unsigned int count;
	struct list_head wait_list;
};

struct swait_queue_head {
	raw_spinlock_t lock;
	struct list_head task_list;
};

struct completion {
	unsigned int done;
	struct swait_queue_head wait;
};

/* ---- wait.h ---- */
struct wait_queue_entry;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *wq_entry, unsigned int mode, int flags, void *key);

struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
};
typedef struct wait_queue_head wait_queue_head_t;

struct wait_queue_entry {
	unsigned int flags;
	void *private;
	wait_queue_func_t func;
	struct list_head entry;
};
typedef struct wait_queue_entry wait_queue_entry_t;

#define WQ_FLAG_EXCLUSIVE 0x01
#define WQ_FLAG_WOKEN 0x02

/* ---- sched.h: ours, except the numbers ---- */
#define TASK_RUNNING 0x0
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_NORMAL 0x3
#define TASK_DEAD 0x80
#define TASK_WAKEKILL 0x100
#define TASK_KILLABLE 0x102
#define TASK_IDLE 0x402
#define TASK_COMM_LEN 16
#define MAX_SCHEDULE_TIMEOUT 0x7fffffffffffffff

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	pid_t pid;
	pid_t tgid;
	int exit_code;
	int prio;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct task_struct *group_leader;
	void *stack;
	char comm[16];
};

/* ---- jiffies.h timer.h hrtimer.h workqueue.h ---- */
#define HZ 250
#define NSEC_PER_SEC 1000000000
#define NSEC_PER_MSEC 1000000
#define NSEC_PER_USEC 1000
#define TICK_NSEC 4000000

struct timespec64 {
	time64_t tv_sec;
	long tv_nsec;
};

struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void (*function)(struct timer_list *timer);
	u32 flags;
};

#define TIMER_DEFERRABLE 0x00080000
#define TIMER_PINNED 0x00100000
#define TIMER_IRQSAFE 0x00200000

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS = 0, HRTIMER_MODE_REL = 1, HRTIMER_MODE_PINNED = 2, HRTIMER_MODE_SOFT = 4 };

struct timerqueue_node {
	struct rb_node node;
	ktime_t expires;
};

struct hrtimer {
	struct timerqueue_node node;
	ktime_t _softexpires;
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	void *base;
	u8 state;
	u8 is_rel;
	u8 is_soft;
	u8 is_hard;
};

struct work_struct;
struct workqueue_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	atomic_long_t data;
	struct list_head entry;
	work_func_t func;
};

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
	int cpu;
};

#define WORK_STRUCT_PENDING 1
#define WORK_STRUCT_NO_POOL 0xfffffffe0
#define WORK_CPU_UNBOUND 8192
#define WQ_UNBOUND 0x02
#define WQ_FREEZABLE 0x04
#define WQ_MEM_RECLAIM 0x08
#define WQ_HIGHPRI 0x10

/* ---- slab.h gfp.h ---- */
#define __GFP_HIGH 0x20
#define __GFP_IO 0x40
#define __GFP_FS 0x80
#define __GFP_ZERO 0x100
#define __GFP_ATOMIC 0x200
#define __GFP_DIRECT_RECLAIM 0x400
#define __GFP_KSWAPD_RECLAIM 0x800
#define __GFP_NOWARN 0x2000
#define __GFP_NOFAIL 0x8000
#define __GFP_NORETRY 0x10000
#define GFP_KERNEL 0xcc0
#define GFP_ATOMIC 0xa20
#define GFP_NOWAIT 0x800
#define GFP_NOIO 0xc00
#define GFP_NOFS 0xc40
#define GFP_USER 0x100cc0
#define PAGE_SIZE 4096
#define PAGE_SHIFT 12
#define ZERO_SIZE_PTR 16
#define SLAB_HWCACHE_ALIGN 0x2000
#define SLAB_PANIC 0x40000

/* Ours: what kmem_cache_create was told. */
struct kmem_cache {
	const char *name;
	unsigned int object_size;
	unsigned int size;
	unsigned int align;
	slab_flags_t flags;
	void (*ctor)(void *object);
	struct list_head list;
};

/* ---- kobject.h kref.h device.h ---- */
struct kref { refcount_t refcount; };

struct kobject {
	const char *name;
	struct list_head entry;
	struct kobject *parent;
	void *kset;
	const void *ktype;
	void *sd;
	struct kref kref;
	unsigned int state;
};

struct device;

/* Ours. */
struct class {
	const char *name;
	struct module *owner;
	char *(*devnode)(struct device *dev, umode_t *mode);
	struct list_head devices;
};

/* Ours; kobj is first, as in Linux. */
struct device {
	struct kobject kobj;
	struct device *parent;
	const char *init_name;
	struct class *class;
	void *driver_data;
	void *platform_data;
	dev_t devt;
	void (*release)(struct device *dev);
	struct list_head node;
};

/* ---- fs.h cdev.h miscdevice.h ---- */
#define MINORBITS 20
#define MINORMASK 0xfffff
#define MISC_MAJOR 10
#define MISC_DYNAMIC_MINOR 255
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define O_ACCMODE 00000003
#define O_RDONLY 00000000
#define O_WRONLY 00000001
#define O_RDWR 00000002
#define O_APPEND 00002000
#define O_NONBLOCK 00004000

struct cdev;
struct file_operations;

/* Ours. */
struct inode {
	umode_t i_mode;
	uid_t i_uid;
	gid_t i_gid;
	dev_t i_rdev;
	unsigned long i_ino;
	loff_t i_size;
	const struct file_operations *i_fop;
	struct cdev *i_cdev;
	void *i_private;
};

/* Ours. */
struct file {
	struct inode *f_inode;
	const struct file_operations *f_op;
	unsigned int f_flags;
	fmode_t f_mode;
	loff_t f_pos;
	void *private_data;
};

struct poll_table_struct;
struct kiocb;
struct iov_iter;
struct dir_context;
struct vm_area_struct;

/* The order of Linux 6.1.192 (splice_eof came in a stable release); members that need what is not here are void pointers. */
struct file_operations {
	struct module *owner;
	loff_t (*llseek)(struct file *file, loff_t offset, int whence);
	ssize_t (*read)(struct file *file, char *buf, size_t count, loff_t *pos);
	ssize_t (*write)(struct file *file, const char *buf, size_t count, loff_t *pos);
	ssize_t (*read_iter)(struct kiocb *iocb, struct iov_iter *iter);
	ssize_t (*write_iter)(struct kiocb *iocb, struct iov_iter *iter);
	void *iopoll;
	int (*iterate)(struct file *file, struct dir_context *context);
	int (*iterate_shared)(struct file *file, struct dir_context *context);
	__poll_t (*poll)(struct file *file, struct poll_table_struct *table);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	unsigned long mmap_supported_flags;
	int (*open)(struct inode *inode, struct file *file);
	int (*flush)(struct file *file, void *id);
	int (*release)(struct inode *inode, struct file *file);
	int (*fsync)(struct file *file, loff_t start, loff_t end, int datasync);
	int (*fasync)(int fd, struct file *file, int on);
	void *lock, *sendpage, *get_unmapped_area, *check_flags, *flock;
	void *splice_write, *splice_read, *splice_eof;
	void *setlease, *fallocate, *show_fdinfo;
	void *copy_file_range, *remap_file_range, *fadvise;
	void *uring_cmd, *uring_cmd_iopoll;
};

struct cdev {
	struct kobject kobj;
	struct module *owner;
	const struct file_operations *ops;
	struct list_head list;
	dev_t dev;
	unsigned int count;
};

struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	struct list_head list;
	struct device *parent;
	struct device *this_device;
	const void *groups;
	const char *nodename;
	umode_t mode;
};

/* ---- moduleparam.h ---- */
struct kernel_param;

struct kernel_param_ops {
	unsigned int flags;
	int (*set)(const char *val, const struct kernel_param *kp);
	int (*get)(char *buffer, const struct kernel_param *kp);
	void (*free)(void *arg);
};

struct kparam_string {
	unsigned int maxlen;
	char *string;
};

struct kparam_array {
	unsigned int max;
	unsigned int elemsize;
	unsigned int *num;
	const struct kernel_param_ops *ops;
	void *elem;
};

struct kernel_param {
	const char *name;
	struct module *mod;
	const struct kernel_param_ops *ops;
	const u16 perm;
	s8 level;
	u8 flags;
	union {
		void *arg;
		const struct kparam_string *str;
		const struct kparam_array *arr;
	};
};

#define KERNEL_PARAM_OPS_FL_NOARG 1
#define KERNEL_PARAM_FL_UNSAFE 1

/* ---- module.h export.h bug.h printk.h ---- */
enum module_state { MODULE_STATE_LIVE, MODULE_STATE_COMING, MODULE_STATE_GOING, MODULE_STATE_UNFORMED };
#define MODULE_NAME_LEN 56

struct module {
	enum module_state state;
	struct list_head list;
	char name[56];
	u8 mkobj[96];
	void *modinfo_attrs;
	const char *version;
	const char *srcversion;
	struct kobject *holders_dir;
	const struct kernel_symbol *syms;
	const s32 *crcs;
	unsigned int num_syms;
	struct mutex param_lock;
	struct kernel_param *kp;
	unsigned int num_kp;
	unsigned int num_gpl_syms;
	const struct kernel_symbol *gpl_syms;
	const s32 *gpl_crcs;
	bool using_gplonly_symbols;
	bool sig_ok;
	bool async_probe_requested;
	unsigned int num_exentries;
	void *extable;
	int (*init)(void);
	u8 layouts[528];
	void (*exit)(void);
	atomic_t refcnt;
	u8 unused[36];
};

/* Offsets are from the address of the member itself to what it means. */
struct kernel_symbol {
	s32 value_offset;
	s32 name_offset;
	s32 namespace_offset;
};

/* Likewise: the breakpoint instruction, and the source file's name. */
struct bug_entry {
	s32 bug_addr_disp;
	s32 file_disp;
	u16 line;
	u16 flags;
};

#define BUGFLAG_WARNING 1
#define BUGFLAG_ONCE 2
#define BUGFLAG_DONE 4
#define BUGFLAG_NO_CUT_HERE 8

/* %pV: a format and the va_list * it takes its arguments from. */
struct va_format {
	const char *fmt;
	void *va;
};

enum { DUMP_PREFIX_NONE, DUMP_PREFIX_ADDRESS, DUMP_PREFIX_OFFSET };

#endif
