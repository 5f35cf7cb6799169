/* What the guest kernel and its machine agree on: the addresses, the services, the page that says how much memory there is.
 * Read by C, by the assembler and by Python (emukern/kernel/bootinfo.py), so: plain #define lines only.
 */
#ifndef EMUKERN_BOOT_H
#define EMUKERN_BOOT_H

#define HC_LOG 1       /* (text, length): a line for the kernel log */
#define HC_EXPORTS 2   /* (): map the stubs of the exports written in Python; returns how many there are */
#define HC_ROOTFS 3    /* (): make the file system; returns the number of files */
#define HC_INIT 4      /* (): load the first user program; returns its struct user_entry, 0 when there is none */

#define BOOT_INFO_MEMORY 0 /* bytes of RAM */
#define BOOT_INFO_SEED 8   /* a number from the machine's generator: the stack canary */

#define THREAD_SIZE 16384

#endif
