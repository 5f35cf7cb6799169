# long hypercall(long service, long a, long b, long c)
.globl hypercall, hypercall_trap
hypercall:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
hypercall_trap:
  int $0xf3
  ret

# where the kernel lets a signal handler return to
.globl signal_return
signal_return:
  mov $15, %eax
  syscall

.section .note.GNU-stack, "", @progbits
