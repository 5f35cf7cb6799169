// poweroff [STATUS]: end the machine; the host's command ends with STATUS.
#include "user.h"

int
main(int argc, char *argv[])
{
  reboot(REBOOT_POWER_OFF, argc > 1 ? atoi(argv[1]) : 0);
  complain("reboot");
  return 1;
}
