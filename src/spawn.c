/* Starts a process as the core starts its workers, before there is a core: see R/ahead.R. */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include <R.h>
#include <Rinternals.h>

#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include "leave.h"

enum { CONTROL = 3 };

static void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
  for (int fd = first, limit = sysconf(_SC_OPEN_MAX); fd < limit; fd++) close(fd);
}

/* Becomes the program: in a session of its own, so that what is typed at the terminal does not reach
 * it, with nothing of what is open here but its end of the control socket. */
static void become(char **words, char **environment, int output, int control) {
  setsid();
  int nothing = open("/dev/null", O_RDONLY);
  /* To where the next lines do not overwrite them. */
  output = fcntl(output, F_DUPFD, CONTROL + 1);
  control = fcntl(control, F_DUPFD, CONTROL + 1);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(output, 2);
  dup2(control, CONTROL);
  close_from(CONTROL + 1);
  for (; *environment; environment++) putenv(*environment);
  execv(words[0], words);
  leave(127);
}

/* The strings of a character vector, with `last` after them unless it is NULL, and NULL at the end. */
static char **strings_of(SEXP texts, const char *last) {
  R_xlen_t n = XLENGTH(texts);
  char **strings = (char **)R_alloc(n + 2, sizeof(char *));
  for (R_xlen_t i = 0; i < n; i++) strings[i] = (char *)translateChar(STRING_ELT(texts, i));
  strings[n] = (char *)last;
  strings[n + 1] = NULL;
  return strings;
}

/* Starts the program `words[1]` with the other words and, as the last one, the number of a
 * descriptor: its end of a socket. It prints to the file `log`. `environment` are further variables,
 * as "NAME=value". Returns its process id, and our end of the socket. */
SEXP mf_spawn(SEXP words, SEXP environment, SEXP log) {
  char **arguments = strings_of(words, "3"), **variables = strings_of(environment, NULL);
  int output = open(translateChar(STRING_ELT(log, 0)), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (output < 0) error("open: %s", strerror(errno));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0) {
    close(output);
    error("socketpair: %s", strerror(errno));
  }
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  pid_t pid = fork();
  if (pid == 0) become(arguments, variables, output, ends[1]);
  close(output);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    error("fork: %s", strerror(errno));
  }
  SEXP ids = PROTECT(allocVector(INTSXP, 2));
  INTEGER(ids)[0] = pid;
  INTEGER(ids)[1] = ends[0];
  UNPROTECT(1);
  return ids;
}

/* Closes our end of the socket, and ends the process and its group. One that somebody else has waited
 * for is not our child any more, and its id may be another's. */
SEXP mf_end_spawned(SEXP pid, SEXP control_fd) {
  pid_t child = asInteger(pid);
  close(asInteger(control_fd));
  if (waitpid(child, NULL, WNOHANG) == 0) {
    kill(-child, SIGKILL);
    kill(child, SIGKILL); /* it may not lead its group yet */
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  return R_NilValue;
}
#endif
