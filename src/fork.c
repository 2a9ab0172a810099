/* What a forking worker needs of the system, and R does not offer: see R/zygote.R.
 *
 * parallel:::mcfork() would turn off the byte compiler in the child, lose its exit status, and its
 * SIGCHLD handler would fight with those of other packages.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include <R.h>
#include <Rinternals.h>
#include <R_ext/Rdynload.h>

extern SEXP mf_serialize(SEXP value, SEXP limit, SEXP make_path, SEXP room);
extern SEXP mf_unserialize(SEXP path, SEXP offset);
extern SEXP mf_catch_interrupts(void);
extern SEXP mf_leave_interrupts(void);
extern SEXP mf_wake(SEXP after_s);
extern SEXP mf_let_wait(void);
extern SEXP mf_share(SEXP roots);
#ifndef _WIN32
extern SEXP mf_openblas_parallel(void);
extern SEXP mf_fork_once(void);
extern SEXP mf_spawn(SEXP words, SEXP environment, SEXP log);
extern SEXP mf_end_spawned(SEXP pid, SEXP control_fd);
extern SEXP mf_decode(SEXP bytes);
extern SEXP mf_receive(SEXP fd);
extern SEXP mf_send(SEXP fd, SEXP bytes);
#endif

#ifndef _WIN32
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include "leave.h"
#include "settle.h"

enum { FDS_PER_TASK = 4 };

/* A request to fork: the descriptors that come with it are the pipe to read messages from, the one
 * to write messages to, standard output and standard error. */
typedef struct {
  long long id;
} Request;

/* An answer: kind 'F' (forked) or 'X' (ended). Times in microseconds, memory in kilobytes as
 * getrusage() has it. */
typedef struct {
  long long kind, id, pid, status, cpu_us, peak_kb;
} Answer;

typedef struct {
  pid_t pid;
  long long id;
} Child;

static Child *children = NULL;
static size_t n_children = 0, room = 0;
static int child_signal[2] = {-1, -1};

static void on_child_signal(int number) {
  int saved = errno;
  (void)number;
  if (write(child_signal[1], "x", 1) < 0) { /* the pipe is full: it will be read anyway */
  }
  errno = saved;
}

static void keep_child(pid_t pid, long long id) {
  if (n_children == room) {
    room = room ? 2 * room : 64;
    Child *larger = realloc(children, room * sizeof(Child));
    if (!larger) error("out of memory");
    children = larger;
  }
  children[n_children].pid = pid;
  children[n_children].id = id;
  n_children++;
}

static long long forget_child(pid_t pid) {
  for (size_t i = 0; i < n_children; i++) {
    if (children[i].pid == pid) {
      long long id = children[i].id;
      children[i] = children[--n_children];
      return id;
    }
  }
  return -1;
}

static void answer(int control, Answer what) {
  while (send(control, &what, sizeof what, 0) < 0 && errno == EINTR) {
  }
}

static void reap(int control) {
  char drain[256];
  while (read(child_signal[0], drain, sizeof drain) > 0) {
  }
  int status;
  struct rusage usage;
  pid_t pid;
  while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
    long long id = forget_child(pid);
    if (id < 0) continue; /* a process that a package started while it was loaded */
    /* What the task left running in its group ends with it. */
    kill(-pid, SIGKILL);
    Answer ended = {'X', id, pid, status,
                    (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL +
                        usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
                    usage.ru_maxrss};
    answer(control, ended);
  }
}

/* One request and its descriptors; 0 at the end. */
static int take_request(int control, Request *request, int *fds) {
  struct iovec body = {request, sizeof *request};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FDS_PER_TASK * sizeof(int))];
  } extra;
  struct msghdr message = {0};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = extra.bytes;
  message.msg_controllen = sizeof extra.bytes;
  ssize_t size;
  while ((size = recvmsg(control, &message, 0)) < 0 && errno == EINTR) {
  }
  struct cmsghdr *header = size == sizeof *request ? CMSG_FIRSTHDR(&message) : NULL;
  if (!header || header->cmsg_type != SCM_RIGHTS) return 0;
  memcpy(fds, CMSG_DATA(header), FDS_PER_TASK * sizeof(int));
  return 1;
}

/* The core makes each worker the leader of a group; a worker that another program has started is in
 * the group of that program, which is none of its business. */
static int leads_group(void) { return getpgrp() == getpid(); }

static void end_group(int number) {
  (void)number;
  kill(leads_group() ? 0 : getpid(), SIGKILL);
}

/* Lets the system end this process and its group, so all that the step has started, when `parent`
 * ends. SIGKILL from the system would end this process alone. */
static void end_with(pid_t parent) {
#ifdef __linux__
  signal(SIGRTMIN + 11, end_group); /* a signal that nobody else uses */
  prctl(PR_SET_PDEATHSIG, SIGRTMIN + 11);
  if (getppid() != parent) leave(125); /* it ended before the line above */
#else
  (void)parent;
#endif
}

static void become_task(int control, pid_t parent, const int *fds) {
  signal(SIGCHLD, SIG_DFL);
  setpgid(0, 0);
  end_with(parent);
  close(control);
  close(child_signal[0]);
  close(child_signal[1]);
  int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  if (nothing > 2) close(nothing);
  dup2(fds[2], 1);
  dup2(fds[3], 2);
  close(fds[2]);
  close(fds[3]);
}

/* Serves requests to fork until the other side closes the control socket: returns NULL then. In
 * each forked child it returns the two descriptors of the task's messages. */
SEXP mf_serve_forks(SEXP control_fd) {
  int control = asInteger(control_fd);
  if (pipe(child_signal) < 0) error("pipe: %s", strerror(errno));
  for (int i = 0; i < 2; i++) {
    fcntl(child_signal[i], F_SETFD, FD_CLOEXEC);
    fcntl(child_signal[i], F_SETFL, O_NONBLOCK);
  }
  fcntl(control, F_SETFD, FD_CLOEXEC);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_child_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGCHLD, &action, NULL);
  pid_t self = getpid();
  settle_memory();
  for (;;) {
    struct pollfd waiting[2] = {{control, POLLIN, 0}, {child_signal[0], POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      error("poll: %s", strerror(errno));
    }
    if (waiting[1].revents) reap(control);
    if (!waiting[0].revents) continue;
    Request request;
    int fds[FDS_PER_TASK];
    if (!take_request(control, &request, fds)) return R_NilValue;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
      settle_in();
      become_task(control, self, fds);
      SEXP messages = PROTECT(allocVector(INTSXP, 2));
      INTEGER(messages)[0] = fds[0];
      INTEGER(messages)[1] = fds[1];
      UNPROTECT(1);
      return messages;
    }
    Answer forked = {pid < 0 ? 'E' : 'F', request.id, pid, pid < 0 ? errno : 0, 0, 0};
    /* Only the child puts itself into its group: done here as well, it could be so late that it
     * undoes what the child does at its end, see mf_end_others(). */
    if (pid > 0) keep_child(pid, request.id);
    for (int i = 0; i < FDS_PER_TASK; i++) close(fds[i]);
    answer(control, forked);
  }
}

/* Lets the system end this process, and what it started, when the core ends, however it ends. */
SEXP mf_end_with(SEXP core_pid) {
  end_with(asInteger(core_pid));
  return R_NilValue;
}

/* Ends this process and all that it started and left in its group. */
SEXP mf_end_group(void) {
  end_group(SIGKILL);
  return R_NilValue;
}

/* Sends a signal, or with 0 none, to the other processes of `group`, which this one leads and cannot
 * leave, and counts them. Where the system has no /proc, whoever waits for this process ends them. */
static int signal_members(pid_t group, int number) {
  DIR *processes = opendir("/proc");
  if (!processes) return 0;
  int count = 0;
  pid_t self = getpid();
  for (struct dirent *entry; (entry = readdir(processes));) {
    pid_t pid = atoi(entry->d_name);
    if (pid > 0 && pid != self && getpgid(pid) == group) count += kill(pid, number) == 0;
  }
  closedir(processes);
  return count;
}

/* How many other processes there are that this one has started and that are in its group. */
SEXP mf_count_others(void) {
  return ScalarInteger(leads_group() ? signal_members(getpid(), 0) : 0);
}

/* Ends what this task left running in its group, and not the task. Whoever waits for the task does
 * it too, but may be killed right when the task ends. */
SEXP mf_end_others(void) {
  pid_t group = getpid();
  if (!leads_group()) return R_NilValue;
  if (getsid(0) == group)
    signal_members(group, SIGKILL);
  else if (setpgid(0, getpgid(getppid())) == 0)
    kill(-group, SIGKILL);
  return R_NilValue;
}

/* Runs what was registered with reg.finalizer(onexit = TRUE). */
SEXP mf_run_finalizers(void) {
  R_RunExitFinalizers();
  return R_NilValue;
}

/* Ends this process without R's own end. */
SEXP mf_exit(SEXP status) {
  fflush(NULL);
  leave(asInteger(status));
  return R_NilValue;
}

/* Writes all bytes; FALSE if nobody reads them any more. */
SEXP mf_write(SEXP fd, SEXP bytes) {
  R_xlen_t size = XLENGTH(bytes), done = 0;
  while (done < size) {
    ssize_t put = write(asInteger(fd), RAW(bytes) + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ScalarLogical(FALSE);
    done += put;
  }
  return ScalarLogical(TRUE);
}

/* A new pipe: the descriptor to read from, and the one to write to. */
SEXP mf_pipe(void) {
  SEXP ends = PROTECT(allocVector(INTSXP, 2));
  if (pipe(INTEGER(ends)) < 0) error("pipe: %s", strerror(errno));
  UNPROTECT(1);
  return ends;
}

SEXP mf_close(SEXP fd) {
  close(asInteger(fd));
  return R_NilValue;
}
#endif

static const R_CallMethodDef calls[] = {
#ifndef _WIN32
    {"mf_serve_forks", (DL_FUNC)&mf_serve_forks, 1},
    {"mf_end_with", (DL_FUNC)&mf_end_with, 1},
    {"mf_end_group", (DL_FUNC)&mf_end_group, 0},
    {"mf_end_others", (DL_FUNC)&mf_end_others, 0},
    {"mf_count_others", (DL_FUNC)&mf_count_others, 0},
    {"mf_exit", (DL_FUNC)&mf_exit, 1},
    {"mf_run_finalizers", (DL_FUNC)&mf_run_finalizers, 0},
    {"mf_pipe", (DL_FUNC)&mf_pipe, 0},
    {"mf_close", (DL_FUNC)&mf_close, 1},
    {"mf_write", (DL_FUNC)&mf_write, 2},
    {"mf_openblas_parallel", (DL_FUNC)&mf_openblas_parallel, 0},
    {"mf_fork_once", (DL_FUNC)&mf_fork_once, 0},
    {"mf_spawn", (DL_FUNC)&mf_spawn, 3},
    {"mf_end_spawned", (DL_FUNC)&mf_end_spawned, 2},
    {"mf_decode", (DL_FUNC)&mf_decode, 1},
    {"mf_receive", (DL_FUNC)&mf_receive, 1},
    {"mf_send", (DL_FUNC)&mf_send, 2},
#endif
    {"mf_serialize", (DL_FUNC)&mf_serialize, 4},
    {"mf_share", (DL_FUNC)&mf_share, 1},
    {"mf_unserialize", (DL_FUNC)&mf_unserialize, 2},
    {"mf_catch_interrupts", (DL_FUNC)&mf_catch_interrupts, 0},
    {"mf_leave_interrupts", (DL_FUNC)&mf_leave_interrupts, 0},
    {"mf_wake", (DL_FUNC)&mf_wake, 1},
    {"mf_let_wait", (DL_FUNC)&mf_let_wait, 0},
    {NULL, NULL, 0}};

void R_init_metaflow(DllInfo *info) {
  R_registerRoutines(info, NULL, calls, NULL, NULL);
  R_useDynamicSymbols(info, FALSE);
}
