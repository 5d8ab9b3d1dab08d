/* Where what passes make comes from. All passes keep the places of instructions: of what is copied, of what something becomes, and of
 * the primal in what is derived of it. So where it is asked for, a place is not in the source but is the number of an instruction, of what
 * the pass was given; when the pass is done it is read off, and the next numbers are given. Who derives sets `end` (pass_trace_derived). No pass
 * knows of it, and none does anything for it where nobody asks. */
#include "passes/base/pass.h"

#include <stdlib.h>
#include <string.h>

enum { MARKED = UINT32_MAX, DERIVED = 1 }; /* Span.file; Span.end; Span.begin is the number */

PassTrace *pass_trace_create(void) {
  Arena *mem = arena_create();
  PassTrace *t = ARENA_NEW(mem, PassTrace);
  t->mem = mem;
  return t;
}

void pass_trace_destroy(PassTrace *t) {
  if (!t) return;
  for (uint32_t k = 0; k < t->stage.n; k++) ir_fn_destroy(t->stage.at[k].fn);
  for (uint32_t k = 0; k < t->pattern.n; k++) pattern_finish(&t->pattern.at[k].pattern);
  vec_free(&t->stage);
  vec_free(&t->fn);
  vec_free(&t->from);
  vec_free(&t->at);
  vec_free(&t->pattern);
  arena_destroy(t->mem);
}

static bool marked(Span at) { return at.file == MARKED; }

Span pass_trace_derived(Span at) { return marked(at) ? (Span){at.file, at.begin, DERIVED} : at; }

uint32_t pass_trace_number(const PassTrace *t, const Inst *i) {
  return t && marked(i->at) && i->at.begin <= t->from.n ? i->at.begin : 0;
}

Span pass_trace_at(const PassTrace *t, Span at) { return !marked(at) ? at : t ? t->at.at[at.begin - 1] : (Span){0}; }

/* ---- a pass that changed nothing ------------------------------------------------------------------ */

static bool same_marks(const PassTrace *t, const Fn *f, uint32_t *k) {
  const TraceFn *is = *k < t->fn.n ? &t->fn.at[*k] : NULL;
  if (!is || is->fn->inst.n != f->inst.n || is->fn->out.n != f->out.n || is->fn->sub.n != f->sub.n) return false;
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Span at = f->inst.at[id].at;
    if (!marked(at) || at.begin != is->first + id - 1 || at.end || f->inst.at[id].op != is->fn->inst.at[id].op) return false;
  }
  for (uint32_t o = 0; o < f->out.n; o++)
    if (f->out.at[o].id != is->fn->out.at[o].id) return false;
  ++*k;
  for (uint32_t s = 0; s < f->sub.n; s++)
    if (!same_marks(t, f->sub.at[s], k)) return false;
  return true;
}

/* The stage that f is, or NULL. */
static TraceStage *unchanged(const PassTrace *t, const Fn *f) {
  for (uint32_t s = t->stage.n; s-- > 0;) {
    uint32_t k = t->stage.at[s].top;
    if (same_marks(t, f, &k)) return &t->stage.at[s];
  }
  return NULL;
}

/* ---- stages ---------------------------------------------------------------------------------------- */

/* Reads off the marks of f and gives new ones; `kept`, which has the same instructions, gets the places. */
static void mark(PassTrace *t, Fn *f, Fn *kept, uint32_t stage) {
  const uint32_t first = t->from.n + 1;
  *vec_push(&t->fn) = (TraceFn){kept, first, stage};
  for (uint32_t id = 1; id < f->inst.n; id++) {
    Span *at = &f->inst.at[id].at;
    const Span place = pass_trace_at(t, *at);
    *vec_push(&t->from) =
        (TraceFrom){marked(*at) ? at->begin : 0, marked(*at) && at->end == DERIVED && f->inst.at[id].role != ROLE_PRIMAL};
    *vec_push(&t->at) = place;
    kept->inst.at[id].at = place;
    *at = (Span){MARKED, first + id - 1, 0};
  }
  for (uint32_t s = 0; s < f->sub.n; s++) mark(t, f->sub.at[s], kept->sub.at[s], stage);
}

void pass_trace_stage(PassTrace *t, const char *pass, Fn *out) {
  TraceStage *same = unchanged(t, out);
  if (same) {
    same->same = same->same ? arena_printf(t->mem, "%s, %s", same->same, pass) : arena_strdup(t->mem, pass);
    return;
  }
  const uint64_t written = ir_written();
  TraceStage *s = vec_push(&t->stage);
  *s = (TraceStage){.pass = arena_strdup(t->mem, pass), .fn = ir_copy_fn(NULL, out), .top = t->fn.n};
  ir_write(written - ir_written()); /* the copy is not the compiler's */
  mark(t, out, s->fn, t->stage.n - 1);
  s->nfn = t->fn.n - s->top;
}

void pass_trace_begin(PassTrace *t, Fn *f) { pass_trace_stage(t, "", f); }

void pass_trace_pattern(PassTrace *t, Span at, const char *way, const Pattern *p, uint32_t ncolour, const uint32_t *colour,
                        bool rows) {
  if (!t) return;
  TracePattern *out = vec_push(&t->pattern);
  const uint32_t n = rows ? p->rows : p->cols, count = pattern_count(p);
  *out = (TracePattern){
    .at = pass_trace_at(t, at), .way = way, .ncolour = ncolour, .rows = rows, .colour = ARENA_ARRAY(t->mem, uint32_t, n + 1)};
  out->known = true;
  if (colour) memcpy(out->colour, colour, n * sizeof *colour);
  pattern_init(&out->pattern, p->rows, p->cols, count);
  memcpy(out->pattern.start, p->start, (p->rows + 1) * sizeof *p->start);
  if (count) memcpy(out->pattern.col, p->col, count * sizeof *p->col);
}

void pass_trace_unknown(PassTrace *t, Span at, const char *way, uint32_t rows, uint32_t cols) {
  TracePattern *out = vec_push(&t->pattern);
  *out = (TracePattern){.at = pass_trace_at(t, at), .way = way};
  pattern_init(&out->pattern, rows, cols, 0);
}
