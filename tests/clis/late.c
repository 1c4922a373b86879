/* Lets the child of the LATE-th fork of a program begin late, as on a busy machine, and tells so by making the file LATE_BEGUN. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int left;
static char *begun;

__attribute__((constructor)) static void choose(void) {
  const char *late = getenv("LATE");
  begun = getenv("LATE_BEGUN");
  left = late ? atoi(late) : 0;
  unsetenv("LATE"); /* What the program executes is not late. */
}

pid_t fork(void) {
  pid_t (*real)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
  int late = left > 0 && --left == 0;
  pid_t child = real();
  if (child == 0 && late) {
    struct timespec rest = {0, 500 * 1000 * 1000};
    close(creat(begun, 0644));
    while (nanosleep(&rest, &rest)) /* A signal does not make it earlier. */
      ;
  }
  return child;
}
