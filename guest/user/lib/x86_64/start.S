# entry from execve: the stack holds argc, argv, 0, envp, 0
.globl _start
_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  and $-16, %rsp
  call start

# long syscall(long number, ...): shift C's arguments into the kernel's places
.globl syscall
syscall:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  ret

.section .note.GNU-stack, "", @progbits
