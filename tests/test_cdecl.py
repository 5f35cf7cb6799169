"""cdecl, cparse, cexpr and ctype: C text in, layouts and constants out."""

import re

import pytest

from emukern.cdecl import Scope
from emukern.ctype import DeclarationError

LISTS = """
#ifndef TEST_H
#define TEST_H
/* a comment with "quotes" and a # in it */
#define SLOTS (1 << 2)          // and one of C++'s
#define PAGE_MASK (~(4096UL - 1))
#define SPLIT 40 + \\
              2
#define CALL(x) (x + 1)
#ifdef __ASSEMBLER__
garbage that only an assembler takes
#else
struct list_head { struct list_head *next, *prev; };
#endif
typedef struct { int counter; } atomic_t;
enum level { LOW = -1, MIDDLE, HIGH = SLOTS + 2 };
struct file_operations;
struct job {
        struct list_head entry;
        union {
                u32 small;
                struct { u64 wide, high; };
        };
        char name[SLOTS * 2 + 1];
        short grid[2][3];
        int (*run)(struct job *, void *data);
        const struct file_operations *fops;
        atomic_t users;
        bool done;
        enum level level;
        u8 tail[];
};
_Static_assert(sizeof(struct job) == 88, "the layout that gcc gives it");
_Static_assert(offsetof(struct job, entry.prev) == 8, "a nested member");
static inline int twice(int x) { if (x) { return 2 * x; } return 0; }
int do_job(struct job *job, const char __user *text);
#endif
"""


@pytest.fixture(scope="module")
def scope():
    return Scope(LISTS)


def test_layout_is_what_gcc_gives(scope):
    job = scope.record("struct job")
    assert {name: member.offset for name, member in job.members.items()} == {
        "entry": 0, "small": 16, "wide": 16, "high": 24, "name": 32, "grid": 42, "run": 56, "fops": 64,
        "users": 72, "done": 76, "level": 80, "tail": 84,
    }  # fmt: skip
    assert (job.size, job.align) == (88, 8)
    assert job.member("entry.prev").offset == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [("SLOTS", 4), ("PAGE_MASK", 0xFFFF_FFFF_FFFF_F000), ("SPLIT", 42), ("LOW", -1), ("HIGH", 6)],
)
def test_constant(scope, name, value):
    assert scope.constant(name) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("~0U", 0xFFFF_FFFF),
        ("-1 < 0U", 0),
        ("0x7fffffff + 1L", 0x8000_0000),
        ("0x80000000", 0x8000_0000),
        ("017", 15),
        ("'a' == 97 && '\\n' == 10 && '\\0' == 0", 1),
        ("1 ? 2 : 3", 2),
        ("(1 | 6) ^ 2 & 3", 5),
        ("sizeof(void *) * 2 + sizeof(struct list_head)", 32),
        ("(unsigned char)300", 44),
        ("(int)0xffffffff", -1),
        ("(1UL << 63) >> 3", 1 << 60),
        ("!0 + !5", 1),
    ],
)
def test_expression(scope, text, value):
    scope.add(f"#define VALUE {text}\n")
    assert scope.constant("VALUE") == value


@pytest.mark.parametrize(
    "text",
    [
        "int _printk(char *fmt, ...)",
        "void panic(char *fmt, ...)",
        "u64 get(void)",
        "struct inode *lookup(struct dentry *dentry, unsigned int flags)",
        "void (*set(int n, void (*fn)(int)))(int)",
        "unsigned long copy(void *to, void *from, unsigned long n)",
        "long long seek(struct file *file, loff_t offset, int whence)",
        "int vprintk(char *fmt, va_list args)",
        "signed char narrow(unsigned char c, unsigned short s)",
        "void arrays(int (*grid)[3], char **names)",
    ],
)
def test_prototype_is_spelled_back(scope, text):
    function = scope.prototype(text)
    assert str(function) == text
    assert scope.prototype(str(function) + ";") == function


def test_prototype_drops_what_changes_nothing(scope):
    text = "extern __must_check int f(const char __user *restrict s, long unsigned int a[], int g(void));"
    assert str(scope.prototype(text)) == "int f(char *s, unsigned long *a, int (*g)(void))"


def test_type_name(scope):
    assert str(scope.type("const struct job *const *")) == "struct job **"
    assert scope.type("char [SLOTS + 1]").size == 5
    assert scope.type("atomic_t").size == 4
    assert str(scope.type("int (*)(void)")) == "int (*)(void)"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("struct b { int x : 3; };", "bit-field"),
        ("struct b { wibble_t x; };", "wibble_t is not a type"),
        ("struct b { struct nowhere inner; };", "struct nowhere is incomplete"),
        ("struct b { int a; int a; };", "two members called a"),
        ("struct list_head { int again; };", "defined twice"),
        ("struct __attribute__((packed)) b { int x; };", "attributes"),
        ("float f(void);", "float is not a type"),
        ("typedef long u32;", "typedef u32 is both"),
        ("int a[SLOTZ];", "SLOTZ"),
        ("int a[-1];", "-1 array elements"),
        ("int a[CALL(2)];", "macro with parameters"),
        ('_Static_assert(sizeof(int) == 5, "no");', "does not hold"),
        ("#if 1\nint a;\n", "#if without #endif"),
        ("#error never\n", "never"),
        ("int f(int", "expected"),
        ("struct b {", "is not a type"),
    ],
)
def test_refusal_says_why(text, why):
    with pytest.raises(DeclarationError, match=re.escape(why)):
        Scope(LISTS, text)


def test_conditionals():
    scope = Scope(
        "#if defined(A) || B > 2\n#define X 1\n#elif !defined A\n#define X 2\n#else\n#define X 3\n#endif\n"
        "#ifndef X\n#if 1\n#define X 4\n#endif\n#endif\n"
    )
    assert scope.constant("X") == 2


def test_pointer_to_a_struct_nobody_defined(scope):
    pointer = scope.type("struct mystery *")
    assert pointer.size == 8
    with pytest.raises(DeclarationError, match="struct mystery is incomplete"):
        pointer.target.member("x")


def test_missing_member_names_the_others(scope):
    with pytest.raises(AttributeError, match="struct list_head has no member nxt; it has next, prev"):
        scope.record("struct list_head").member("nxt")


@pytest.mark.parametrize(
    ("type_", "value", "held"),
    [
        ("u8", 300, 44),
        ("s8", 200, -56),
        ("int", 1 << 31, -(1 << 31)),
        ("bool", 256, 0),
        ("bool", 2, 1),
        ("u64", -1, 2**64 - 1),
    ],
)
def test_convert(scope, type_, value, held):
    assert scope.type(type_).convert(value) == held
