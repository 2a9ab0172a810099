/* Ctrl-C for R while a task runs in the session, see R/inline.R.
 *
 * Once Python is initialised the signal is Python's, which looks at it only while Python code runs.
 */
#include <R.h>
#include <Rinternals.h>

#ifndef _WIN32
#include <signal.h>

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
#else
SEXP mf_catch_interrupts(void) { return R_NilValue; }
SEXP mf_leave_interrupts(void) { return R_NilValue; }
#endif
