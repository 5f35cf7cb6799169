# entry from execve: the stack holds argc, argv, 0, envp, 0
.globl _start
_start:
  mv a0, sp
  andi sp, sp, -16
  call start

# long syscall(long number, ...): shift C's arguments into the kernel's places
.globl syscall
syscall:
  mv a7, a0
  mv a0, a1
  mv a1, a2
  mv a2, a3
  mv a3, a4
  mv a4, a5
  mv a5, a6
  ecall
  ret

.section .note.GNU-stack, "", @progbits
