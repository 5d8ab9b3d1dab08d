/* What code is made of a piece: loop nests with the instructions in them, and assembly. */
#include "driver/explore/explore_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Lines {
  const PassTrace *t;
  VEC(long) at; /* where a line begins that is about an instruction */
  VEC(uint32_t) number;
} Lines;

static void line(void *ctx, FILE *out, const Inst *i) {
  Lines *l = ctx;
  *vec_push(&l->at) = ftell(out);
  *vec_push(&l->number) = pass_trace_number(l->t, i);
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
  Lines l = {.t = p->trace}, none = {0};
  Cg *cg = cg_create(&x->s->cg, err, sizeof err);
  if (!cg) return json_null();
  add_parts(cg, p, x->mem);
  FILE *out = open_memstream(&kernels, &size);
  if (!out) base_fault("out of memory");
  cg_print_kernels(cg, out, NULL, &(CgNote){line, &l});
  if (fclose(out)) base_fault("out of memory");
  out = open_memstream(&assembly, &size);
  if (!out) base_fault("out of memory");
  const bool ok = cg_print_asm(cg, out, err, sizeof err);
  if (fclose(out)) base_fault("out of memory");
  json_t *code = json_pack("{s:o, s:o}", "kernels", lines_json(kernels, &l), "asm", ok ? lines_json(assembly, &none) : json_null());
  cg_destroy(cg);
  free(kernels);
  free(assembly);
  vec_free(&l.at);
  vec_free(&l.number);
  return code;
}
