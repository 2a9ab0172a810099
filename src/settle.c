/* Gives the memory that forked processes will write to an order in which it costs them little: see
 * fork.c.
 *
 * A fork shares all memory with its parent until it writes to it; then the system copies what is
 * written to, a page of 4 KB at a time, and each costs as much as a system call or several. What a
 * process allocates goes by itself to holes that are scattered over hundreds of pages, many of them
 * in large pages, which the system has to take to pieces first. Here the holes are filled, so that
 * a fork allocates from memory that nobody has touched, which need not be copied and can be had at
 * once.
 */
#include "settle.h"

#ifdef __linux__
#include <features.h>
#endif
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <R.h>
#include <Rinternals.h>

/* Where malloc() goes on once all holes are filled; what lies above it is free. */
static char *top_of_heap(void) { return (char *)sbrk(0) - mallinfo2().keepcost; }

/* Takes up, for good, the holes of at least `size` bytes that lie below `top`, but no more than
 * `most` bytes of them; how many are left. */
static size_t fill_holes(size_t size, const char *top, size_t most) {
  char *block = NULL;
  while (most >= size && (block = malloc(size)) && block < top) most -= size;
  if (block >= top) free(block);
  return most;
}

static void fill_all_holes(const char *top) {
  enum { LARGEST = 1 << 16, FINE = 1032, SMALLEST = 24 };
  size_t left = mallinfo2().arena; /* 0 if this is not the malloc() that R uses */
  for (size_t size = LARGEST; size > FINE; size -= size / 8) left = fill_holes(size, top, left);
  for (size_t size = FINE; size >= SMALLEST; size -= 16) left = fill_holes(size, top, left);
}

/* Takes for good the cells below `top` that R has allocated and does not use: those of pairs, and
 * those of vectors of up to 128 bytes, which R keeps by size. */
static void take_free_cells(const char *top) {
  enum { MOST = 1 << 20 };
  SEXP taken = CONS(R_NilValue, R_NilValue), vector, pair;
  R_PreserveObject(taken);
  for (R_xlen_t size = 128; size >= 8; size /= 2) {
    int left = MOST;
    do {
      vector = PROTECT(allocVector(RAWSXP, size));
      SETCDR(taken, CONS(vector, CDR(taken)));
      UNPROTECT(1);
    } while ((char *)vector < top && --left);
  }
  int left = MOST;
  do {
    pair = CONS(R_NilValue, CDR(taken));
    SETCDR(taken, pair);
  } while ((char *)pair < top && --left);
}

/* Takes the rest of what malloc() has asked the system for, and lets it ask for more; whether that
 * is now all that lies between the last block and the heap's end. */
static int renew_top(void) {
  enum { NEEDED_BY_MALLOC = 256, MORE = 4096 };
  static char *volatile rest; /* else the compiler leaves the allocations out */
  size_t size = mallinfo2().keepcost;
  if (size > NEEDED_BY_MALLOC) rest = malloc(size - NEEDED_BY_MALLOC);
  rest = malloc(MORE);
  return rest && rest + malloc_usable_size(rest) - sizeof(size_t) == top_of_heap();
}

/* What a small task writes to anew: cells and bytes of R, and the stack of R's calls, each of which
 * takes 11 KB. */
enum { PAGE = 4096, HEAP_OF_A_TASK = 64 * PAGE, STACK_OF_A_TASK = 112 * PAGE };

/* The parts of memory that forks use and this process does not. Once they are empty, a fork has
 * nothing of them to copy. */
typedef struct {
  char *start;
  size_t size;
} Part;
static Part heap, stack;

static Part pages_between(char *start, char *end) {
  uintptr_t from = ((uintptr_t)start + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
  uintptr_t to = (uintptr_t)end & ~(uintptr_t)(PAGE - 1);
  Part part = {(char *)from, to > from ? to - from : 0};
  return part;
}

static size_t at_most(size_t size, size_t most) { return size < most ? size : most; }

void settle_memory(void) {
  /* malloc() keeps the size of what is free where that begins. */
  enum { OF_MALLOC = 2 * sizeof(size_t), IN_USE = 4 * PAGE, DEEPEST = 2 << 20 };
  char here, *top = top_of_heap();
  fill_all_holes(top);
  take_free_cells(top);
  if (renew_top()) heap = pages_between(top_of_heap() + OF_MALLOC, sbrk(0));
  stack = pages_between(&here - DEEPEST, &here - IN_USE);
  /* A large page is dear to clear where the host of a virtual machine has taken it back. */
  madvise(heap.start, heap.size, MADV_NOHUGEPAGE);
  madvise(heap.start, heap.size, MADV_DONTNEED);
  madvise(stack.start, stack.size, MADV_DONTNEED);
}

/* Hands out at once what the system would hand out page by page, at three times the cost. */
void settle_in(void) {
#ifdef MADV_POPULATE_WRITE
  size_t size = at_most(stack.size, STACK_OF_A_TASK);
  madvise(heap.start, at_most(heap.size, HEAP_OF_A_TASK), MADV_POPULATE_WRITE);
  madvise(stack.start + stack.size - size, size, MADV_POPULATE_WRITE);
#endif
}
#else
void settle_memory(void) {}
void settle_in(void) {}
#endif
