/* What the core and a worker say to each other, over two file descriptors: see R/worker.R.
 *
 * R's own unserialize() writes to each text that it reads, also where R has the text already. In a
 * forked process each such write copies a page of memory; a message would copy fifty. It is plain
 * data, so what reads it here is a small part of R's format (R Internals, section 1.8): vectors and
 * lists with attributes, in XDR, version 2.
 */
#ifndef _WIN32
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <R.h>
#include <Rinternals.h>
#include <R_ext/Rdynload.h>

enum { TYPE = 0xFF, HAS_ATTRIBUTES = 0x200, REFERENCE = 255, NIL = 254 };
enum { LATIN1 = 1 << 14, UTF8 = 1 << 15, BYTES = 1 << 13 };
enum { HEAD_BYTES = 14, SIZE_BYTES = 4, MOST_SYMBOLS = 64 };

typedef struct {
  const unsigned char *at, *end;
  SEXP symbols[MOST_SYMBOLS]; /* the first that were read, which later ones may refer to: R does,
                               * which has few of them in plain data, and the core does not */
  int n_symbols;
} Message;

static const unsigned char *take(Message *message, size_t size) {
  const unsigned char *here = message->at;
  if (size > (size_t)(message->end - here)) error("a message is cut off or damaged");
  message->at += size;
  return here;
}

static uint64_t take_number(Message *message, int size) {
  const unsigned char *bytes = take(message, size);
  uint64_t number = 0;
  for (int i = 0; i < size; i++) number = number << 8 | bytes[i];
  return number;
}

static int take_int(Message *message) { return (int)(uint32_t)take_number(message, 4); }

static double take_double(Message *message) {
  uint64_t bits = take_number(message, 8);
  double number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

/* Each element takes at least a byte: what is longer than the message is damaged. */
static R_xlen_t take_length(Message *message) {
  R_xlen_t length = take_int(message);
  if (length == -1) length = (R_xlen_t)take_number(message, 8);
  if (length < 0 || length > message->end - message->at) error("a message is damaged");
  return length;
}

static SEXP take_text(Message *message, int flags) {
  int length = take_int(message);
  if (length == -1) return NA_STRING;
  const char *bytes = (const char *)take(message, (size_t)(uint32_t)length);
  cetype_t encoding = flags & UTF8 ? CE_UTF8 : flags & LATIN1 ? CE_LATIN1
                      : flags & BYTES ? CE_BYTES : CE_NATIVE;
  return mkCharLenCE(bytes, length, encoding);
}

static SEXP take_value(Message *message);

static SEXP take_symbol(Message *message, int flags) {
  if ((flags & TYPE) == REFERENCE) {
    int number = flags >> 8 ? flags >> 8 : take_int(message);
    if (number < 1 || number > message->n_symbols) error("a message is damaged");
    return message->symbols[number - 1];
  }
  if ((flags & TYPE) != SYMSXP) error("a message is damaged");
  SEXP symbol = installTrChar(take_text(message, take_int(message)));
  if (message->n_symbols < MOST_SYMBOLS) message->symbols[message->n_symbols++] = symbol;
  return symbol;
}

static void take_attributes(Message *message, SEXP value) {
  int flags;
  while (((flags = take_int(message)) & TYPE) == LISTSXP) {
    SEXP name = take_symbol(message, take_int(message));
    SEXP attribute = PROTECT(take_value(message));
    setAttrib(value, name, attribute);
    UNPROTECT(1);
  }
}

static SEXP take_value(Message *message) {
  R_CheckStack();
  int flags = take_int(message), type = flags & TYPE;
  if (type == NIL) return R_NilValue;
  R_xlen_t length = take_length(message);
  if (type != LGLSXP && type != INTSXP && type != REALSXP && type != CPLXSXP && type != STRSXP &&
      type != VECSXP && type != RAWSXP) {
    error("a message holds what is no plain data (type %d)", type);
  }
  SEXP value = PROTECT(allocVector(type, length));
  if (type == RAWSXP) memcpy(RAW(value), take(message, length), length);
  for (R_xlen_t i = 0; i < length && type != RAWSXP; i++) {
    switch (type) {
    case LGLSXP:
      LOGICAL(value)[i] = take_int(message);
      break;
    case INTSXP:
      INTEGER(value)[i] = take_int(message);
      break;
    case REALSXP:
      REAL(value)[i] = take_double(message);
      break;
    case CPLXSXP:
      COMPLEX(value)[i].r = take_double(message);
      COMPLEX(value)[i].i = take_double(message);
      break;
    case STRSXP:
      SET_STRING_ELT(value, i, take_text(message, take_int(message)));
      break;
    case VECSXP:
      SET_VECTOR_ELT(value, i, take_value(message));
      break;
    }
  }
  if (flags & HAS_ATTRIBUTES) take_attributes(message, value);
  UNPROTECT(1);
  return value;
}

/* The plain data that R's serialize(version = 2) or the core has written. */
SEXP mf_decode(SEXP bytes) {
  Message message = {RAW(bytes), RAW(bytes) + XLENGTH(bytes), {NULL}, 0};
  if (memcmp(take(&message, HEAD_BYTES), "X\n\0\0\0\2", 6)) error("a message is damaged");
  return take_value(&message);
}

/* Exactly `size` bytes; FALSE at the end. */
static int read_all(int fd, void *to, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t got = read(fd, (char *)to + have, size - have);
    if (got < 0 && errno == EINTR) {
      R_CheckUserInterrupt();
      continue;
    }
    if (got <= 0) return FALSE;
    have += got;
  }
  return TRUE;
}

/* The next message; NULL if there is none any more. */
SEXP mf_receive(SEXP fd) {
  unsigned char size[SIZE_BYTES];
  if (!read_all(asInteger(fd), size, SIZE_BYTES)) return R_NilValue;
  Message head = {size, size + SIZE_BYTES, {NULL}, 0};
  SEXP bytes = PROTECT(allocVector(RAWSXP, (R_xlen_t)take_number(&head, SIZE_BYTES)));
  SEXP message = R_NilValue;
  if (read_all(asInteger(fd), RAW(bytes), XLENGTH(bytes))) message = mf_decode(bytes);
  UNPROTECT(1);
  return message;
}

/* Sends a message, whose bytes these are; FALSE if nobody reads them any more. */
SEXP mf_send(SEXP fd, SEXP bytes) {
  uint32_t length = (uint32_t)XLENGTH(bytes);
  unsigned char size[SIZE_BYTES] = {length >> 24, length >> 16, length >> 8, length};
  struct iovec parts[2] = {{size, SIZE_BYTES}, {RAW(bytes), length}};
  while (parts[1].iov_len > 0) {
    ssize_t put = writev(asInteger(fd), parts, 2);
    if (put < 0 && errno != EINTR) return ScalarLogical(FALSE);
    for (int i = 0; i < 2 && put > 0; i++) {
      size_t here = (size_t)put < parts[i].iov_len ? (size_t)put : parts[i].iov_len;
      parts[i].iov_base = (char *)parts[i].iov_base + here;
      parts[i].iov_len -= here;
      put -= here;
    }
  }
  return ScalarLogical(TRUE);
}
#endif
