/* What code is made of a piece: loop nests with the instructions in them, and assembly. */
#include "driver/explore/explore_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Lines {
  const PassTrace *t;
  VEC(long) at; /* where a line begins that is about an instruction */
  VEC(uint32_t) number;
  json_t *nest, *place; /* [byte of the text, turn]; [byte, number, offset, bytes, first turn, last turn] */
} Lines;

static void line(void *ctx, FILE *out, const Inst *i) {
  Lines *l = ctx;
  *vec_push(&l->at) = ftell(out);
  *vec_push(&l->number) = pass_trace_number(l->t, i);
}

static void nest(void *ctx, FILE *out, uint32_t time) {
  Lines *l = ctx;
  json_array_append_new(l->nest, json_pack("[I, i]", (json_int_t)ftell(out), (int)time));
}

static void place(void *ctx, FILE *out, const Inst *i, const CgScratch *p) {
  Lines *l = ctx;
  json_array_append_new(l->place, json_pack("[I, i, I, I, i, i]", (json_int_t)ftell(out), (int)pass_trace_number(l->t, i),
                                            (json_int_t)p->off, (json_int_t)p->bytes, (int)p->t0, (int)p->t1));
}

/* The bytes that entries of a list begin with, which do not decrease, become numbers of lines. */
static void as_lines(json_t *list, const char *text) {
  const char *at = text;
  json_int_t line = 0;
  for (size_t k = 0; k < json_array_size(list); k++) {
    json_t *entry = json_array_get(list, k);
    const char *to = text + json_integer_value(json_array_get(entry, 0));
    for (; at < to; at++) line += *at == '\n';
    json_array_set_new(entry, 0, json_integer(line));
  }
}

/* [text, number] of each line; the number of a line without an instruction is 0. */
static json_t *lines_json(const char *text, const Lines *l) {
  json_t *lines = json_array(), *number = json_array();
  uint32_t k = 0;
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, "\n");
    while (k < l->at.n && l->at.at[k] < at - text) k++;
    json_array_append_new(lines, json_stringn(at, n));
    json_array_append_new(number, json_integer(k < l->at.n && l->at.at[k] == at - text ? l->number.at[k] : 0));
    at += n + (at[n] == '\n');
  }
  as_lines(l->nest, text), as_lines(l->place, text);
  return json_pack("{s:o, s:o, s:o, s:o}", "text", lines, "number", number, "nests", l->nest, "places", l->place);
}

static bool begins(const char *at, const char *what) { return *at == '\t' && !strncmp(at + 1, what, strlen(what)); }

/* A line of labels for debuggers. */
static bool debugs(const char *at, size_t n) {
  static const char *const what[] = {".Ltmp", ".Lfunc_begin", ".Lfunc_end", "\t.file\t", "\t.cfi_"};
  for (size_t k = 0; k < sizeof what / sizeof *what; k++)
    if (n >= strlen(what[k]) && !memcmp(at, what[k], strlen(what[k]))) return true;
  return false;
}

static uint32_t number_of(void *ctx, const Inst *i) { return pass_trace_number(ctx, i); }

/* Assembly as lines and what each is of, by the `.loc`s, which are left out with all of debug information. */
static json_t *assembly_json(const char *text) {
  json_t *lines = json_array(), *number = json_array();
  unsigned now = 0;
  for (const char *at = text; *at && !begins(at, ".section\t.debug");) {
    const size_t n = strcspn(at, "\n");
    const bool loc = n > 6 && !memcmp(at, "\t.loc\t", 6), label = n && *at != '\t' && *at != '.' && *at != '#';
    if (loc && sscanf(at, "\t.loc\t%*u %u", &now) != 1) now = 0;
    if (label) now = 0;
    if (!loc && !debugs(at, n)) {
      json_array_append_new(lines, json_stringn(at, n));
      json_array_append_new(number, json_integer(at[0] == '\t' && at[1] != '.' ? now : 0));
    }
    at += n + (at[n] == '\n');
  }
  return json_pack("{s:o, s:o}", "text", lines, "number", number);
}

static void add_parts(Cg *cg, const Piece *p, Arena *mem) {
  char suffix[SPLIT_NAME];
  for (uint32_t k = 0; k < p->low.split.n; k++)
    if (p->low.split.part[k].fn)
      cg_add(cg, p->low.split.part[k].fn, arena_printf(mem, "hnn_%s%s", p->name, pass_split_suffix(&p->low.split, k, suffix)));
}

json_t *explore_code(Explore *x, const Piece *p) {
  char err[256], *kernels = NULL, *assembly = NULL;
  size_t size;
  Lines l = {.t = p->trace, .nest = json_array(), .place = json_array()};
  Cg *cg = cg_create(&x->s->cg, err, sizeof err);
  if (!cg) return json_decref(l.nest), json_decref(l.place), json_null();
  add_parts(cg, p, x->mem);
  FILE *out = open_memstream(&kernels, &size);
  if (!out) base_fault("out of memory");
  cg_print_kernels(cg, out, NULL, &(CgNote){line, &l, nest, place});
  if (fclose(out)) base_fault("out of memory");
  out = open_memstream(&assembly, &size);
  if (!out) base_fault("out of memory");
  const bool ok = cg_print_asm(cg, out, &(CgNumber){number_of, p->trace}, err, sizeof err);
  if (fclose(out)) base_fault("out of memory");
  json_t *code = json_pack("{s:o, s:o}", "kernels", lines_json(kernels, &l), "asm", ok ? assembly_json(assembly) : json_null());
  cg_destroy(cg);
  free(kernels);
  free(assembly);
  vec_free(&l.at);
  vec_free(&l.number);
  return code;
}
