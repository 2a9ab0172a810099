/* Lets forked processes share what R's own bookkeeping would make each copy: see R/zygote.R.
 *
 * R counts the references to each object in the object itself, so that a function that is merely
 * called is written to, and in a fork the page of memory that holds it is copied. A count that has
 * reached its largest value stays as it is: R never changes such an object in place, it makes a
 * copy first.
 */
#include <stdint.h>
#include <stdlib.h>
#include <R.h>
#include <Rinternals.h>

/* Longer vectors are left alone: a task that changes one should not have to copy it whole. */
enum { LONGEST_SHARED = 4096 };

typedef struct {
  SEXP roots;
  SEXP *seen; /* hash table of what was found, with NULL where nothing is */
  size_t seen_room, n_seen;
  SEXP *waiting; /* of these, what is still to be looked into */
  size_t waiting_room, n_waiting;
} Walk;

static size_t place_of(const Walk *walk, SEXP object) {
  size_t mask = walk->seen_room - 1;
  size_t place = (size_t)(((uintptr_t)object >> 3) * 0x9E3779B97F4A7C15ULL >> 20) & mask;
  while (walk->seen[place] && walk->seen[place] != object) place = (place + 1) & mask;
  return place;
}

static void *room_for(size_t count) {
  void *memory = calloc(count, sizeof(SEXP));
  if (!memory) error("out of memory");
  return memory;
}

static void grow_seen(Walk *walk) {
  SEXP *old = walk->seen;
  size_t old_room = walk->seen_room;
  walk->seen = room_for(2 * old_room);
  walk->seen_room = 2 * old_room;
  for (size_t i = 0; i < old_room; i++) {
    if (old[i]) walk->seen[place_of(walk, old[i])] = old[i];
  }
  free(old);
}

static void find(Walk *walk, SEXP object) {
  size_t place = place_of(walk, object);
  if (walk->seen[place]) return;
  walk->seen[place] = object;
  if (2 * ++walk->n_seen > walk->seen_room) grow_seen(walk);
  if (walk->n_waiting == walk->waiting_room) {
    size_t larger = 2 * walk->waiting_room;
    SEXP *waiting = realloc(walk->waiting, larger * sizeof(SEXP));
    if (!waiting) error("out of memory");
    walk->waiting = waiting;
    walk->waiting_room = larger;
  }
  walk->waiting[walk->n_waiting++] = object;
}

static void look_into_environment(Walk *walk, SEXP environment) {
  SEXP names = PROTECT(R_lsInternal3(environment, TRUE, FALSE));
  for (R_xlen_t i = 0; i < XLENGTH(names); i++) {
    SEXP name = installTrChar(STRING_ELT(names, i));
    find(walk, name);
    if (!R_BindingIsActive(name, environment)) find(walk, findVarInFrame(environment, name));
  }
  UNPROTECT(1);
}

static void look_into(Walk *walk, SEXP object) {
  switch (TYPEOF(object)) {
  case ENVSXP:
    look_into_environment(walk, object);
    break;
  case SYMSXP:
    find(walk, PRINTNAME(object));
    break;
  case LISTSXP:
  case LANGSXP:
  case DOTSXP:
  case CLOSXP:   /* formals, body, environment */
  case PROMSXP:  /* value, code, environment */
  case BCODESXP: /* code, constants, expression */
    find(walk, CAR(object));
    find(walk, CDR(object));
    find(walk, TAG(object));
    break;
  case VECSXP:
  case EXPRSXP:
    for (R_xlen_t i = 0; i < XLENGTH(object); i++) find(walk, VECTOR_ELT(object, i));
    break;
  case STRSXP:
    for (R_xlen_t i = 0; i < XLENGTH(object); i++) find(walk, STRING_ELT(object, i));
    break;
  }
}

static int is_long(SEXP object) {
  switch (TYPEOF(object)) {
  case LGLSXP:
  case INTSXP:
  case REALSXP:
  case CPLXSXP:
  case RAWSXP:
  case STRSXP:
  case VECSXP:
    /* What a compact vector stands for would be made. */
    return ALTREP(object) || XLENGTH(object) > LONGEST_SHARED;
  default:
    return 0;
  }
}

static SEXP share_all(void *data) {
  Walk *walk = data;
  find(walk, walk->roots);
  while (walk->n_waiting) {
    SEXP object = walk->waiting[--walk->n_waiting];
    if (is_long(object)) continue;
    MARK_NOT_MUTABLE(object);
    look_into(walk, object);
  }
  return ScalarReal((double)walk->n_seen);
}

static void free_walk(void *data) {
  Walk *walk = data;
  free(walk->seen);
  free(walk->waiting);
}

/* Keeps R from writing to the objects that can be reached from a list of environments, without
 * going on to their enclosures; the number of objects. */
SEXP mf_share(SEXP roots) {
  enum { FIRST_ROOM = 1 << 19 };
  Walk walk = {roots, NULL, FIRST_ROOM, 0, NULL, FIRST_ROOM, 0};
  walk.seen = room_for(walk.seen_room);
  walk.waiting = room_for(walk.waiting_room);
  return R_ExecWithCleanup(share_all, &walk, free_walk, &walk);
}
