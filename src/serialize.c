/* R values to bytes and back, large ones straight to and from a file: see R/serialize.R.
 *
 * R's own serialize() to a connection costs a call of the connection for each text, and loses the
 * error of a full disk when the last of it is written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <R.h>
#include <Rinternals.h>

/* A file is written in pieces that begin and end with those of the page cache: R's own, 64,768 bytes
 * of a long vector, leave the kernel many small ones, and the write takes 39 ms per 100 MB, not 31.
 * Pieces of 64 KiB save 4 ms more, but they are of memory that Linux does not keep at hand (its
 * PAGE_ALLOC_COSTLY_ORDER): a virtual machine may first have to get it back from its host. */
enum { BUFFER_BYTES = 32768, READ_AT_ONCE_BYTES = 16384 };

typedef struct {
  SEXP value, make_path, answer;
  SEXP memory; /* raw vector with the bytes so far, until there is a file */
  const char *path;
  FILE *file;
  size_t room, size, used;   /* `used` bytes of the buffer, or of `memory`, wait to be written */
  int has_pointer;
  char buffer[BUFFER_BYTES];
} Stream;

static void fail(Stream *stream, const char *verb) {
  const char *reason = errno ? strerror(errno) : "it is cut off";
  error("cannot %s %s: %s", verb, stream->path, reason);
}

static void flush(Stream *stream) {
  errno = 0;
  if (fwrite(stream->buffer, 1, stream->used, stream->file) < stream->used) fail(stream, "write");
  stream->used = 0;
}

static void put(Stream *stream, const char *bytes, size_t size) {
  while (size > 0) {
    size_t part = BUFFER_BYTES - stream->used;
    if (part > size) part = size;
    memcpy(stream->buffer + stream->used, bytes, part);
    stream->used += part;
    bytes += part;
    size -= part;
    if (stream->used == BUFFER_BYTES) flush(stream);
  }
}

/* The bytes are too many for the memory that they were given: they go on in a file. */
static void spill(Stream *stream) {
  SEXP call = PROTECT(lang1(stream->make_path));
  SET_VECTOR_ELT(stream->answer, 2, eval(call, R_GlobalEnv));
  UNPROTECT(1);
  stream->path = translateChar(STRING_ELT(VECTOR_ELT(stream->answer, 2), 0));
  errno = 0;
  stream->file = fopen(stream->path, "wb");
  if (!stream->file) fail(stream, "make");
  setvbuf(stream->file, NULL, _IONBF, 0);
  size_t in_memory = stream->used;
  memset(stream->buffer, 0, stream->room);
  stream->used = stream->room;
  put(stream, (char *)RAW(stream->memory), in_memory);
}

static void out_bytes(R_outpstream_t r_stream, void *bytes, int length) {
  Stream *stream = r_stream->data;
  size_t size = length;
  stream->size += size;
  if (!stream->file) {
    if (stream->size <= (size_t)XLENGTH(stream->memory)) {
      memcpy(RAW(stream->memory) + stream->used, bytes, size);
      stream->used += size;
      return;
    }
    spill(stream);
  }
  put(stream, bytes, size);
}

static void out_char(R_outpstream_t r_stream, int c) {
  char byte = (char)c;
  out_bytes(r_stream, &byte, 1);
}

/* R asks this for each environment and pointer; nil leaves it to R. */
static SEXP look(SEXP object, SEXP flag) {
  if (TYPEOF(object) == EXTPTRSXP && R_ExternalPtrAddr(object)) LOGICAL(flag)[0] = TRUE;
  return R_NilValue;
}

static SEXP write_all(void *data) {
  Stream *stream = data;
  SEXP flag = PROTECT(allocVector(LGLSXP, 1)); /* R has one FALSE for all who ask for a scalar */
  LOGICAL(flag)[0] = FALSE;
  struct R_outpstream_st out;
  R_InitOutPStream(&out, stream, R_pstream_binary_format, 3, out_char, out_bytes, look, flag);
  R_Serialize(stream->value, &out);
  stream->has_pointer = LOGICAL(flag)[0];
  UNPROTECT(1);
  if (stream->file) {
    flush(stream);
    errno = 0;
    FILE *file = stream->file;
    stream->file = NULL;
    if (fclose(file)) fail(stream, "write");
    return ScalarReal((double)stream->size);
  }
  return lengthgets(stream->memory, stream->used);
}

static void close_file(void *data) {
  Stream *stream = data;
  if (stream->file) fclose(stream->file);
}

/* Serializes `value`: a list of a raw vector of at most `limit` bytes, whether there is a live
 * external pointer in the value, and nothing. Or, if the bytes are more, of their number, the same,
 * and the path of a new file, as the function `make_path` gave it, with the bytes after `room`
 * zeros. */
SEXP mf_serialize(SEXP value, SEXP limit, SEXP make_path, SEXP room) {
  Stream stream;
  memset(&stream, 0, sizeof stream);
  stream.value = value;
  stream.make_path = make_path;
  stream.room = (size_t)asReal(room);
  stream.memory = PROTECT(allocVector(RAWSXP, (R_xlen_t)asReal(limit)));
  stream.answer = PROTECT(allocVector(VECSXP, 3));
  SET_VECTOR_ELT(stream.answer, 0, R_ExecWithCleanup(write_all, &stream, close_file, &stream));
  SET_VECTOR_ELT(stream.answer, 1, ScalarLogical(stream.has_pointer));
  UNPROTECT(2);
  return stream.answer;
}

static void in_bytes(R_inpstream_t r_stream, void *bytes, int length) {
  Stream *stream = r_stream->data;
  char *to = bytes;
  size_t missing = length;
  while (missing > 0) {
    size_t ready = stream->size - stream->used;
    if (ready > missing) ready = missing;
    memcpy(to, stream->buffer + stream->used, ready);
    stream->used += ready;
    to += ready;
    missing -= ready;
    if (missing == 0) return;
    errno = 0;
    if (missing >= READ_AT_ONCE_BYTES) {
      if (fread(to, 1, missing, stream->file) < missing) fail(stream, "read");
      return;
    }
    stream->size = fread(stream->buffer, 1, BUFFER_BYTES, stream->file);
    stream->used = 0;
    if (stream->size == 0) fail(stream, "read");
  }
}

static int in_char(R_inpstream_t r_stream) {
  unsigned char byte;
  in_bytes(r_stream, &byte, 1);
  return byte;
}

static SEXP read_all(void *data) {
  struct R_inpstream_st in;
  R_InitInPStream(&in, data, R_pstream_any_format, in_char, in_bytes, NULL, R_NilValue);
  return R_Unserialize(&in);
}

/* The value whose serialization begins at `offset` of the file `path`. */
SEXP mf_unserialize(SEXP path, SEXP offset) {
  Stream stream;
  memset(&stream, 0, sizeof stream);
  stream.path = translateChar(STRING_ELT(path, 0));
  errno = 0;
  stream.file = fopen(stream.path, "rb");
  if (!stream.file) fail(&stream, "open");
  setvbuf(stream.file, NULL, _IONBF, 0);
  fseek(stream.file, (long)asReal(offset), SEEK_SET);
  return R_ExecWithCleanup(read_all, &stream, close_file, &stream);
}
