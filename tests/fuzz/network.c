/* Fuzz target: any bytes as an ONNX file that a program uses. It becomes a network whose functions verify, before and after deriving; or
 * there is a message. The mutator keeps the wire format: it changes numbers, names and bytes of fields, leaves fields out and doubles them. */
#include "frontend/model.h"
#include "passes/passes.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/lower.h"

#include <stdlib.h>
#include <string.h>

static const char program[] = "use f = onnx(\"input.onnx\")\nfn g(x: real[4]) = f(x)\nfn h(a, b) = f(a, b)\n";

typedef struct Given {
  const uint8_t *data;
  size_t size;
} Given;

static const unsigned char *bytes(void *ctx, Arena *mem, const char *path, size_t *size, char *err, size_t errsize) {
  const Given *g = ctx;
  if (strcmp(path, "input.onnx") != 0) return snprintf(err, errsize, "there is no such file"), NULL;
  unsigned char *copy = ARENA_ARRAY(mem, unsigned char, g->size + 1);
  if (g->size) memcpy(copy, g->data, g->size);
  *size = g->size;
  return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 1 << 16) return 0;
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  Source *src = source_create();
  Diag *diag = diag_create(src);
  Given given = {data, size};
  FrontOptions o = {.bytes = bytes, .ctx = &given};
  Model *m = model_load_text(src, "input.hnn", program, sizeof program - 1, &o, diag);
  if (!m && !diag_errors(diag)) abort();
  for (uint32_t i = 0; m && i < m->nexport; i++) lower(m->export_[i].fn, diag);
  diag_render(diag, out, false);
  if (fclose(out) != 0) abort();
  free(text);
  model_destroy(m);
  diag_destroy(diag);
  source_destroy(src);
  return 0;
}

/* ---- the mutator ------------------------------------------------------------------------------------------------------- */

typedef struct Part {
  uint64_t tag, whole;
  const unsigned char *at; /* what is in it */
  size_t n, size;          /* size: of all of it */
} Part;

static bool varint(const unsigned char *at, size_t n, size_t *used, uint64_t *v) {
  *v = 0;
  for (*used = 0; *used < n && *used < 10; ++*used) {
    *v |= (uint64_t)(at[*used] & 127) << 7 * *used;
    if (at[*used] < 128) return ++*used, true;
  }
  return false;
}

static bool part(const unsigned char *at, size_t n, Part *p) {
  size_t used, more = 0;
  if (!varint(at, n, &used, &p->tag) || p->tag >> 3 == 0 || p->tag >> 3 > 100) return false;
  p->at = at + used, p->n = 0;
  switch (p->tag & 7) {
  case 0:
    if (!varint(at + used, n - used, &more, &p->whole)) return false;
    p->n = more;
    break;
  case 1: p->n = 8; break;
  case 5: p->n = 4; break;
  case 2:
    if (!varint(at + used, n - used, &more, &p->whole) || p->whole > n - used - more) return false;
    p->at += more, p->n = (size_t)p->whole;
    break;
  default: return false;
  }
  if ((size_t)(p->at - at) > n || p->n > n - (size_t)(p->at - at)) return false;
  return p->size = (size_t)(p->at - at) + p->n, true;
}

/* How many parts a message has, those within them too; 0: it is none. */
static uint64_t parts(const unsigned char *at, size_t n, int depth) {
  uint64_t count = 0;
  Part p;
  for (size_t k = 0; k < n; k += p.size) {
    if (!part(at + k, n - k, &p)) return 0;
    count += 1 + ((p.tag & 7) == 2 && p.n > 1 && depth < 8 ? parts(p.at, p.n, depth + 1) : 0);
  }
  return count;
}

static void put_varint(Bytes *b, uint64_t v) {
  unsigned char text[10];
  size_t n = 0;
  do text[n++] = (unsigned char)((v & 127) | (v > 127 ? 128 : 0));
  while (v >>= 7);
  fuzz_put(b, text, n);
}

static uint64_t number(void) {
  static const uint64_t odd[] = {
    0,           1, 2, 3, 4, 5, 7, 8, 16, 255, 256, 65536, (uint64_t)1 << 28, (uint64_t)1 << 31, (uint64_t)1 << 62, (uint64_t)-1,
    (uint64_t)-2};
  return fuzz_chance(70) ? FUZZ_PICK(odd) : fuzz_draw(64);
}

static const char *word(void) {
  static const char *const words[] = {"MatMul",
                                      "Gemm",
                                      "Add",
                                      "Conv",
                                      "ConvTranspose",
                                      "MaxPool",
                                      "AveragePool",
                                      "Reshape",
                                      "Transpose",
                                      "Concat",
                                      "Split",
                                      "Slice",
                                      "Gather",
                                      "GatherND",
                                      "GatherElements",
                                      "Einsum",
                                      "Pad",
                                      "Resize",
                                      "Softmax",
                                      "LayerNormalization",
                                      "GroupNormalization",
                                      "BatchNormalization",
                                      "ReduceMean",
                                      "ReduceProd",
                                      "Squeeze",
                                      "Unsqueeze",
                                      "Expand",
                                      "Tile",
                                      "Range",
                                      "Trilu",
                                      "Where",
                                      "Pow",
                                      "Mod",
                                      "Cast",
                                      "Clip",
                                      "Shape",
                                      "ConstantOfShape",
                                      "CumSum",
                                      "ArgMax",
                                      "If",
                                      "Loop",
                                      "Scan",
                                      "axes",
                                      "axis",
                                      "perm",
                                      "pads",
                                      "ij,jk->ik",
                                      "...i,i",
                                      "SAME_UPPER",
                                      "linear",
                                      "x0",
                                      ""};
  return FUZZ_PICK(words);
}

static void changed(Bytes *out, const Part *p) {
  put_varint(out, p->tag);
  if ((p->tag & 7) == 0) {
    put_varint(out, number());
    return;
  }
  if ((p->tag & 7) != 2) {
    unsigned char v[8] = {0};
    for (size_t k = 0; k < p->n; k++) v[k] = (unsigned char)fuzz_draw(256);
    fuzz_put(out, v, p->n);
    return;
  }
  Bytes in = {0};
  if (fuzz_chance(50)) fuzz_put_text(&in, word());
  else {
    fuzz_copy(&in, p->at, p->n);
    fuzz_mutate_bytes(&in);
  }
  put_varint(out, in.n);
  fuzz_put(out, in.at, in.n);
  free(in.at);
}

/* The message with its part *target left out, doubled or changed. */
static void rewrite(Bytes *out, const unsigned char *at, size_t n, int depth, int64_t *target) {
  Part p;
  for (size_t k = 0; k < n && part(at + k, n - k, &p); k += p.size) {
    const uint64_t inner = (p.tag & 7) == 2 && p.n > 1 && depth < 8 ? parts(p.at, p.n, depth + 1) : 0;
    if ((*target)-- == 0) {
      const uint64_t what = fuzz_draw(4);
      if (what == 1) fuzz_put(out, at + k, p.size), fuzz_put(out, at + k, p.size);
      if (what > 1) changed(out, &p);
    } else if (*target >= 0 && (uint64_t)*target < inner) {
      Bytes in = {0};
      rewrite(&in, p.at, p.n, depth + 1, target);
      *target = -1;
      put_varint(out, p.tag);
      put_varint(out, in.n);
      fuzz_put(out, in.at, in.n);
      free(in.at);
    } else {
      if (*target >= 0) *target -= (int64_t)inner;
      fuzz_put(out, at + k, p.size);
    }
  }
}

void fuzz_mutate_form(Bytes *b) {
  const uint64_t n = parts(b->at, b->n, 0);
  Bytes out = {0};
  if (!n) {
    fuzz_mutate_bytes(b);
    return;
  }
  int64_t target = (int64_t)fuzz_draw(n);
  rewrite(&out, b->at, b->n, 0, &target);
  free(b->at);
  *b = out;
}
