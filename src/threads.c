/* Whether the threads that run are in the way of a fork: see R/zygote.R. */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include <Rinternals.h>

#ifndef _WIN32
#include <dlfcn.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
#include "leave.h"

/* What the OpenBLAS of this process runs in parallel with, in the numbers of its
 * openblas_get_parallel(): 0 nothing, 1 pthreads, 2 OpenMP; NA where R has another BLAS. */
SEXP mf_openblas_parallel(void) {
  int (*parallel)(void);
  *(void **)&parallel = dlsym(RTLD_DEFAULT, "openblas_get_parallel");
  return ScalarInteger(parallel ? parallel() : NA_INTEGER);
}

/* A fork that does nothing: libraries that end their threads before each fork have none then. */
SEXP mf_fork_once(void) {
  pid_t pid = fork();
  if (pid == 0) leave(0);
  while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return R_NilValue;
}
#endif
