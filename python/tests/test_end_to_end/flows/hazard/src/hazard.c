#include <R.h>
#include <Rinternals.h>
#include <omp.h>
#include <sys/resource.h>

SEXP hazard_threads(void) {
  int count = 0;
#pragma omp parallel num_threads(2) reduction(+ : count)
  count += 1;
  return ScalarInteger(count);
}

SEXP hazard_crash(void) {
  *(volatile int *)8 = 1;
  return R_NilValue;
}

static int deeper(volatile char *above) {
  volatile char room[4096];
  room[0] = above ? above[0] : 1;
  return deeper(room) + room[0];
}

SEXP hazard_deep(void) { return ScalarInteger(deeper(NULL)); }

SEXP hazard_limit(SEXP bytes) {
  struct rlimit limit = {(rlim_t)asReal(bytes), (rlim_t)asReal(bytes)};
  return ScalarInteger(setrlimit(RLIMIT_AS, &limit));
}
