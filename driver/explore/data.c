/* Everything the page shows of a model, as JSON. */
#include "driver/explore/explore_priv.h"
#include "driver/session/points.h"
#include "driver/session/data.h"

#include <stdlib.h>
#include <string.h>

/* ---- what does not hang on a function ------------------------------------------------------------------- */

static json_t *files(const Source *src) {
  json_t *out = json_array();
  for (uint32_t k = 1; k <= src->files.n; k++) {
    const SourceFile *f = source_file(src, k);
    json_array_append_new(out, json_pack("{s:s, s:o}", "name", f->name, "text", json_stringn(f->text, f->len)));
  }
  return out;
}

/* [kind, name, type, place, parent] of each node. */
static json_t *nodes(Explore *x) {
  json_t *out = json_array();
  for (uint32_t k = 0; k < x->tree->node.n; k++) {
    const TreeNode *n = &x->tree->node.at[k];
    json_array_append_new(out, json_pack("[s, s, s, i, i]", n->kind, n->name ? n->name : "", n->type ? n->type : "",
                                         (int)explore_place(x, n->at), (int)n->parent));
  }
  return out;
}

static json_t *proofs(Explore *x) {
  json_t *out = json_array();
  for (uint32_t k = 0; k < x->tree->proof.n; k++) {
    const Proof *p = &x->tree->proof.at[k];
    json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:b, s:b, s:i}", "text", p->text, "detail", p->detail, "answer",
                                         answer_text[p->answer], "stated", p->stated, "own", p->own, "place",
                                         (int)explore_place(x, p->at)));
  }
  return out;
}

static json_t *maybe(const char *text) { return text ? json_string(text) : json_null(); }

/* The op table: [name, class, traits, partial by x, by y]. */
static json_t *operators(void) {
  static const char *const cls[] = {"elementwise", "elementwise", "comparison", "logic", "structural"};
  json_t *out = json_array();
  char text[2][512];
  for (int op = 0; op < OP_count; op++)
    json_array_append_new(out, json_pack("[s, s, i, o, o]", op ? ir_op[op].name : "", cls[ir_op[op].cls], (int)ir_op[op].traits,
                                         maybe(pass_rule_text((Op)op, 0, text[0], sizeof text[0])),
                                         maybe(pass_rule_text((Op)op, 1, text[1], sizeof text[1]))));
  return out;
}

static json_t *places(const Explore *x) {
  json_t *out = json_array();
  json_array_append_new(out, json_pack("[i, i, i]", 0, 0, 0));
  for (uint32_t k = 0; k < x->place.n; k++)
    json_array_append_new(out,
                          json_pack("[i, i, i]", (int)x->place.at[k].file, (int)x->place.at[k].begin, (int)x->place.at[k].end));
  return out;
}

int64_t explore_elements(Type t, int64_t samples) { return type_count(t) * (t.lane ? samples : 1); }

double explore_cost(const Fn *f) { return ir_eval_cost(f, EXPLORE_DISPATCH); }

bool explore_spend(double *left, double work) {
  if (!(work <= *left / 4)) return false; /* something is left for the others */
  *left -= work;
  return true;
}

/* ---- of each function ------------------------------------------------------------------------------------- */

enum { PIXELS = 1 << 14 }; /* nonzeros that are drawn */

static json_t *pattern(Explore *x, const TracePattern *t) {
  json_t *rows = json_array(), *colour = json_array();
  const Pattern *p = &t->pattern;
  for (uint32_t i = 0; i < p->rows && t->known && pattern_count(p) <= PIXELS && p->rows <= PIXELS; i++) {
    json_t *row = json_array();
    for (uint32_t k = p->start[i]; k < p->start[i + 1]; k++) json_array_append_new(row, json_integer(p->col[k]));
    json_array_append_new(rows, row);
  }
  for (uint32_t k = 0; t->ncolour && k < (t->rows ? p->rows : p->cols); k++)
    json_array_append_new(colour, json_integer(t->colour[k] == UINT32_MAX ? -1 : (json_int_t)t->colour[k]));
  return json_pack("{s:i, s:s, s:i, s:i, s:i, s:i, s:b, s:o, s:o}", "place", (int)explore_place(x, t->at), "way", t->way, "rows",
                   (int)p->rows, "cols", (int)p->cols, "nonzeros", t->known ? (int)pattern_count(p) : -1, "colours",
                   (int)t->ncolour, "byRows", t->rows, "at", rows, "colour", colour);
}

static json_t *patterns(Explore *x, const PassTrace *t) {
  json_t *out = json_array();
  for (uint32_t k = 0; k < t->pattern.n; k++) json_array_append_new(out, pattern(x, &t->pattern.at[k]));
  return out;
}

static json_t *inputs(const Piece *p) {
  json_t *out = json_array();
  for (uint32_t k = 0; k < p->given->in.n; k++) {
    char text[128];
    json_array_append_new(out, json_pack("[s, s]", p->given->in.at[k].name ? p->given->in.at[k].name : "",
                                         type_text(p->given->in.at[k].type, p->given->f64, text, sizeof text)));
  }
  return out;
}

/* What its parts say, but for their names. */
static const char *parts_text(Explore *x, const Piece *p) {
  const char *all = "";
  for (uint32_t k = 0; k < p->low.split.n; k++) {
    char *text = p->low.split.part[k].fn ? ir_text(p->low.split.part[k].fn) : NULL;
    all = arena_printf(x->mem, "%s%s\n", all, text ? text + strcspn(text, "(") : "");
    base_free(text);
  }
  return all;
}

static bool same_numbers(const Fn *f, const PassTrace *t, const Fn *g, const PassTrace *u) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id], *j = &g->inst.at[id];
    if (pass_trace_number(t, i) != pass_trace_number(u, j)) return false;
    if (i->sub && !same_numbers(ir_body(f, i), t, ir_body(g, j), u)) return false;
  }
  return true;
}

/* An earlier piece of which the same code is made, but for names, as the page counts them; -1: none. */
static int twin(Explore *x, Piece *p) {
  int n = 0;
  p->text = parts_text(x, p);
  for (const Piece *q = x->piece.at; q < p; n += q++->trace != NULL) {
    bool same = q->trace && !strcmp(p->text, q->text);
    for (uint32_t k = 0; same && k < p->low.split.n; k++) {
      const Fn *f = p->low.split.part[k].fn, *g = q->low.split.part[k].fn;
      same = !f || same_numbers(f, p->trace, g, q->trace);
    }
    if (same) return n;
  }
  return -1;
}

static json_t *piece(Explore *x, Piece *p, bool code) {
  bool *wanted = explore_wanted(p);
  const Flops flops = pass_flops(p->low.fn);
  json_t *out =
      json_pack("{s:s, s:s, s:i, s:s, s:I, s:I}", "kind", p->kind, "name", p->name, "place", (int)explore_place(x, p->at), "data",
                p->data ? p->data->name : "", "flops", (json_int_t)flops.per_sample, "once", (json_int_t)flops.once);
  json_object_set_new(out, "inputs", inputs(p));
  json_object_set_new(out, "stages", explore_stages(x, p, wanted));
  json_object_set_new(out, "made", explore_made(x, p));
  json_t *values, *turns;
  const int like = twin(x, p);
  explore_samples(x, p);
  explore_values(x, p, wanted, &values, &turns);
  json_object_set_new(out, "values", values);
  json_object_set_new(out, "turns", turns);
  json_object_set_new(out, "flow", explore_flow(x, p, wanted));
  json_object_set_new(out, "operators", explore_operators(x, p));
  json_object_set_new(out, "patterns", patterns(x, p->trace));
  json_object_set_new(out, "code", !code ? json_null() : like < 0 ? explore_code(x, p) : json_integer(like));
  base_free(wanted);
  return out;
}

static bool data_made(Explore *x) {
  for (uint32_t k = 0; k < x->piece.n; k++) {
    const Data *d = x->piece.at[k].data;
    if (d && !d->trained && data_make(x->s, d)) return false;
  }
  return true;
}

json_t *explore_data(Session *s, const Tree *tree, bool code) {
  Explore x = {.s = s, .tree = tree, .mem = arena_create(), .work = EXPLORE_WORK, .compare = EXPLORE_WORK};
  json_t *out = NULL;
  if (explore_pieces(&x) && data_made(&x)) {
    json_t *pieces = json_array();
    for (uint32_t k = 0; k < x.piece.n; k++)
      if (x.piece.at[k].trace) json_array_append_new(pieces, piece(&x, &x.piece.at[k], code));
    out = json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o}", "format", "hnnc explore 1", "hnnc", HNNC_VERSION, "model",
                    s->model->path, "samples", (int)POINTS, "f64", s->model->f64, "files", files(s->src), "ops", operators(),
                    "tree", nodes(&x), "proofs", proofs(&x), "pieces", pieces);
    json_object_set_new(out, "places", places(&x));
  }
  explore_pieces_finish(&x);
  vec_free(&x.place);
  index_free(&x.place_of);
  arena_destroy(x.mem);
  return out;
}
