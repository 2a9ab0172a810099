/* Ctrl-C and timeouts for R while a task runs in the session, see R/inline.R.
 *
 * Once Python is initialised, Ctrl-C's signal is Python's, which looks at it only while Python code
 * runs.
 */
#include <R.h>
#include <Rinternals.h>

#ifndef _WIN32
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

LibExtern Rboolean R_interrupts_pending;

static struct sigaction before;

static void on_interrupt(int number) {
  (void)number;
  R_interrupts_pending = TRUE;
}

/* Lets R see interrupts from now on. */
SEXP mf_catch_interrupts(void) {
  struct sigaction action = {0};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, &before);
  return R_NilValue;
}

/* Leaves them to whoever had them before. */
SEXP mf_leave_interrupts(void) {
  sigaction(SIGINT, &before, NULL);
  return R_NilValue;
}

static struct sigaction before_alarm;
static pthread_t r_thread;

/* The signal is all that is needed: it ends the system's call in which R waits. */
static void on_alarm(int number) {
  if (!pthread_equal(pthread_self(), r_thread)) pthread_kill(r_thread, number);
}

static void set_alarm(double first_s, suseconds_t interval_us) {
  double whole_s = (double)(time_t)first_s;
  struct itimerval timer = {
      .it_interval = {0, interval_us},
      .it_value = {(time_t)whole_s, (suseconds_t)((first_s - whole_s) * 1e6)}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

/* Wakes R where it waits, as in `Sys.sleep()`, `after_s` from now, so that it looks at its time
 * limit; and then again and again, for it may have been about to wait. */
SEXP mf_wake(SEXP after_s) {
  /* Not restarted: what waits has to return. */
  struct sigaction action = {0};
  action.sa_handler = on_alarm;
  r_thread = pthread_self();
  sigaction(SIGALRM, &action, &before_alarm);
  set_alarm(Rf_asReal(after_s), 200000);
  return R_NilValue;
}

/* Lets R wait again. */
SEXP mf_let_wait(void) {
  set_alarm(0, 0);
  sigaction(SIGALRM, &before_alarm, NULL);
  return R_NilValue;
}
#else
/* Here R looks at its time limit while it waits. */
SEXP mf_wake(SEXP after_s) { return R_NilValue; }
SEXP mf_let_wait(void) { return R_NilValue; }
SEXP mf_catch_interrupts(void) { return R_NilValue; }
SEXP mf_leave_interrupts(void) { return R_NilValue; }
#endif
