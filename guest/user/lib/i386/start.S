# entry from execve: the stack holds argc, argv, 0, envp, 0
.globl _start
_start:
  xor %ebp, %ebp
  mov %esp, %eax
  and $-16, %esp
  sub $12, %esp
  push %eax
  call start

# long syscall(long number, ...): C's arguments lie on the stack, the kernel wants registers
.globl syscall
syscall:
  push %ebp
  push %ebx
  push %esi
  push %edi
  mov 20(%esp), %eax
  mov 24(%esp), %ebx
  mov 28(%esp), %ecx
  mov 32(%esp), %edx
  mov 36(%esp), %esi
  mov 40(%esp), %edi
  mov 44(%esp), %ebp
  int $0x80
  pop %edi
  pop %esi
  pop %ebx
  pop %ebp
  ret

.section .note.GNU-stack, "", @progbits
