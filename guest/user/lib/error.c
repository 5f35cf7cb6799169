// What went wrong, in the words everybody knows.
#include "user.h"

static const struct {
  int number;
  const char *text;
} errors[] = {
  {0, "Success"},
  {EPERM, "Operation not permitted"},
  {ENOENT, "No such file or directory"},
  {ESRCH, "No such process"},
  {EINTR, "Interrupted system call"},
  {EIO, "Input/output error"},
  {6, "No such device or address"},
  {E2BIG, "Argument list too long"},
  {ENOEXEC, "Exec format error"},
  {EBADF, "Bad file descriptor"},
  {ECHILD, "No child processes"},
  {EAGAIN, "Resource temporarily unavailable"},
  {ENOMEM, "Cannot allocate memory"},
  {EACCES, "Permission denied"},
  {EFAULT, "Bad address"},
  {EBUSY, "Device or resource busy"},
  {EEXIST, "File exists"},
  {EXDEV, "Invalid cross-device link"},
  {ENODEV, "No such device"},
  {ENOTDIR, "Not a directory"},
  {EISDIR, "Is a directory"},
  {EINVAL, "Invalid argument"},
  {23, "Too many open files in system"},
  {EMFILE, "Too many open files"},
  {ENOTTY, "Inappropriate ioctl for device"},
  {26, "Text file busy"},
  {27, "File too large"},
  {ENOSPC, "No space left on device"},
  {ESPIPE, "Illegal seek"},
  {EROFS, "Read-only file system"},
  {31, "Too many links"},
  {EPIPE, "Broken pipe"},
  {33, "Numerical argument out of domain"},
  {ERANGE, "Numerical result out of range"},
  {35, "Resource deadlock avoided"},
  {ENAMETOOLONG, "File name too long"},
  {ENOSYS, "Function not implemented"},
  {ENOTEMPTY, "Directory not empty"},
  {40, "Too many levels of symbolic links"},
  {61, "No data available"},
  {74, "Bad message"},
  {75, "Value too large for defined data type"},
  {95, "Operation not supported"},
  {110, "Connection timed out"},
  {126, "Required key not available"},
  {129, "Key was rejected by service"},
};

const char *
strerror(int number)
{
  static char unknown[32];

  for(size_t i = 0; i < LENGTH(errors); i++)
    if(errors[i].number == number)
      return errors[i].text;
  snprintf(unknown, sizeof(unknown), "Unknown error %d", number);
  return unknown;
}

void
complain(const char *what)
{
  dprintf(2, "%s: %s: %s\n", program, what, strerror(errno));
}

_Noreturn void
die(const char *format, ...)
{
  char text[512];
  va_list ap;

  va_start(ap, format);
  vsnprintf(text, sizeof(text), format, ap);
  va_end(ap);
  dprintf(2, "%s: %s\n", program, text);
  exit(1);
}
