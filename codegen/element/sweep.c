/* Sweeps (plan_sweep.c): a loop over elements by whole aligned vectors, whose shifted reads are shuffles. Vectors beside the
 * loop are computed first, from what was there before it, and stored last, so that a result may take the place of what the
 * loop reads at or ahead of it. */
#include "codegen/element/element.h"

#include <string.h>

typedef struct Known {
  uint32_t v;
  int64_t vector;
  LLVMValueRef x;
} Known;

/* Vectors of values by number: those at constant places; in the loop, all as if it were at vector `rep`. */
struct Sweep {
  Frame *fr;
  PlanSweep plan;
  int64_t vl;
  bool loop;               /* being written */
  LLVMValueRef at;         /* position of vector `rep` then */
  VEC(Known) fixed, known; /* `known`: in this turn of the loop */
  CgLoop turns;
  unsigned next;
};

static LLVMValueRef position(Gen *g, const Sweep *s, int64_t vector) {
  int64_t c = vector * s->vl;
  return s->loop ? gen_shift(g, s->at, c - s->plan.rep * s->vl) : cg_i64(g->e, c);
}

static bool find(const Sweep *s, Val v, int64_t vector, LLVMValueRef *x) {
  const Known *k = s->loop ? s->known.at : s->fixed.at;
  uint32_t n = s->loop ? s->known.n : s->fixed.n;
  for (uint32_t j = n; j-- > 0;)
    if (k[j].v == v.id && k[j].vector == vector) return *x = k[j].x, true;
  return false;
}

static void know(Sweep *s, Val v, int64_t vector, LLVMValueRef x) {
  Known k = {v.id, vector, x};
  if (s->loop) *vec_push(&s->known) = k;
  else *vec_push(&s->fixed) = k;
}

/* Lanes of vector number `vector` that are elements; 0: all. */
static unsigned part_of(const Gen *g, Type t, int64_t vector) {
  int64_t vl = g->machine_vl, left = type_count(t) - vector * vl;
  return left < vl ? (unsigned)left : 0;
}

/* Vector number `vector` of a value that is in memory or computed here; lanes beyond its end are anything. */
static LLVMValueRef vector_of(Gen *g, Sweep *s, Val v, int64_t vector) {
  LLVMValueRef x;
  if (s->fr->vec[v.id] && s->fr->p->val[v.id].cls == PC_BUF) return s->fr->vec[v.id][vector];
  if (find(s, v, vector, &x)) return x;
  Idx at = gen_wide_idx(ir_type(s->fr->p->f, v), position(g, s, vector));
  unsigned part = g->part;
  bool here = plan_sweep_here(s->fr->p, &s->plan, v);
  g->part = part_of(g, ir_type(s->fr->p->f, v), vector);
  if (!here) g->reader = &gen_wide_reader;
  CgVec y = here ? gen_compute(g, s->fr, v, &at) : gen_at(g, s->fr, v, &at);
  g->reader = &gen_sweep_reader;
  x = gen_lanes(g, (Type){.lane = true}, y).v[0];
  g->part = part;
  know(s, v, vector, x);
  cg_break_block(g->e);
  return x;
}

/* ---- a vector that begins anywhere ---------------------------------------------------------------------------------- */

typedef struct Donor {
  PlanSpot spot;
  int64_t vector;
} Donor;
enum { SOURCES = 32 }; /* a vector has no more lanes */
typedef struct Mix {
  Donor from[SOURCES];
  unsigned n;
  int source[SOURCES], lane[SOURCES];
} Mix;

static unsigned source_number(Mix *m, const PlanSpot *s, int64_t vector) {
  for (unsigned k = 0; k < m->n; k++) {
    const Donor *p = &m->from[k];
    bool same = p->spot.kind == s->kind && p->vector == vector;
    if (same && (s->kind == SPOT_ZERO || p->spot.base.id == s->base.id)) return k;
  }
  m->from[m->n] = (Donor){*s, vector};
  return m->n++;
}

/* Where each lane comes from; -1: beyond the ends of v. */
static Mix mix_of(const Sweep *s, Val v, int64_t pos) {
  Mix m = {.n = 0};
  int64_t n = type_count(ir_type(s->fr->p->f, v));
  for (int l = 0; l < (int)s->vl; l++) {
    m.source[l] = m.lane[l] = -1;
    if (pos + l < 0 || pos + l >= n) continue;
    PlanSpot at = plan_spot(s->fr->p, &s->plan, v, pos + l);
    int64_t vector = at.kind == SPOT_VALUE ? at.pos / s->vl : 0;
    m.source[l] = (int)source_number(&m, &at, vector);
    m.lane[l] = at.kind == SPOT_VALUE ? (int)(at.pos % s->vl) : l;
  }
  return m;
}

static LLVMValueRef source_vector(Gen *g, Sweep *s, const Donor *p) {
  unsigned vl = (unsigned)s->vl;
  Idx at = {.axes = true, .lin = cg_i64(g->e, 0)};
  if (p->spot.kind == SPOT_VALUE) return vector_of(g, s, p->spot.base, p->vector);
  if (p->spot.kind == SPOT_ZERO) return cg_real(g->e, 0, vl);
  g->reader = &gen_wide_reader;
  CgVec x = gen_at(g, s->fr, p->spot.base, &at);
  g->reader = &gen_sweep_reader;
  return cg_splat(g->e, x.v[0], vl);
}

static bool in_order(const Sweep *s, const Mix *m) {
  bool ok = m->n == 1;
  for (int l = 0; l < (int)s->vl; l++) ok = ok && (m->source[l] < 0 || m->lane[l] == l);
  return ok;
}

/* The lanes are consecutive ones of one vector followed by another, from `first` on. */
static bool consecutive(const int *mask, int n, int *first) {
  *first = -1;
  for (int l = 0; l < n; l++) {
    if (mask[l] < 0) continue;
    if (*first < 0) *first = mask[l] - l;
    if (*first <= 0 || mask[l] != *first + l) return false;
  }
  return *first > 0 && *first < n;
}

/* Each shuffle puts the lanes of one more source in their places. */
static LLVMValueRef mixed(Gen *g, Sweep *s, const Mix *m) {
  LLVMValueRef x = source_vector(g, s, &m->from[0]);
  int mask[SOURCES], vl = (int)s->vl;
  if (in_order(s, m)) return x;
  for (int k = 1; k < (int)m->n || k == 1; k++) {
    for (int l = 0; l < vl; l++) {
      int of = m->source[l];
      mask[l] = of < 0 || of > k ? -1 : of == k ? vl + m->lane[l] : of == 0 && k == 1 ? m->lane[l] : l;
    }
    bool two = k < (int)m->n;
    int first;
    LLVMValueRef y = two ? source_vector(g, s, &m->from[k]) : LLVMGetPoison(LLVMTypeOf(x));
    if (two && consecutive(mask, vl, &first)) x = cg_align(g->e, x, y, (unsigned)first, (unsigned)vl);
    else x = cg_shuffle(g->e, x, y, mask, (unsigned)vl);
  }
  return x;
}

/* v at positions pos, pos + 1, ... */
static CgVec read_at(Gen *g, Sweep *s, Val v, int64_t pos) {
  Mix m = mix_of(s, v, pos);
  unsigned vl = (unsigned)s->vl;
  if (m.n == 0) return (CgVec){{cg_real(g->e, 0, vl)}, true};
  return (CgVec){{mixed(g, s, &m)}, true};
}

static CgVec sweep_at(Gen *g, Frame *fr, Val v, Idx *at) {
  Sweep *s = g->sweep;
  int64_t c;
  if (ir_type(fr->p->f, v).rank == 0) return gen_wide_scalar(g, fr, v, at);
  if (!cg_is_int(at->lin, &c)) {
    if (!gen_wide_distance(g, at->lin, &c)) base_fault("codegen: a sweep lost its place");
    c += s->plan.rep * s->vl;
  }
  return read_at(g, s, v, c);
}

const Reader gen_sweep_reader = {.along = true, .at = sweep_at, .tiny = gen_wide_tiny, .move = gen_wide_move};

/* ---- the loop --------------------------------------------------------------------------------------------------------- */

/* Vector number `vector` of a root, which is known by now. */
static void store(Gen *g, Sweep *s, Val v, int64_t vector) {
  LLVMValueRef base, ld;
  CgVec x = read_at(g, s, v, vector * s->vl);
  if (s->fr->vec[v.id]) {
    s->fr->vec[v.id][vector] = x.v[0];
    return;
  }
  gen_memory(g, s->fr, v, &base, &ld);
  g->part = part_of(g, ir_type(s->fr->p->f, v), vector);
  gen_store(g, ir_type(s->fr->p->f, v), base, ld, position(g, s, vector), &x);
  g->part = 0;
}

static void each_root(Gen *g, Sweep *s, const Group *gr, int64_t vector) {
  for (uint32_t r = 0; r < gr->root.n; r++) read_at(g, s, gr->root.at[r].v, vector * s->vl);
  for (uint32_t r = 0; s->loop && r < gr->root.n; r++) store(g, s, gr->root.at[r].v, vector);
}

static bool in_loop(const Sweep *s, int64_t vector) { return vector >= s->plan.lo && vector < s->plan.hi; }

/* What is behind a leading vector comes from the turn before; f is called for each such vector. */
static void each_kept(Gen *g, Sweep *s, void (*f)(Gen *g, Sweep *s, Val v, int64_t lead, int64_t behind)) {
  for (uint32_t n = 0; n < s->plan.need.n; n++) {
    const Val v = {s->plan.need.at[n].v};
    for (unsigned k = 1; k <= plan_sweep_behind(&s->plan, v); k++) f(g, s, v, plan_sweep_lead(&s->plan, v), k);
  }
}

static void first_kept(Gen *g, Sweep *s, Val v, int64_t lead, int64_t behind) { vector_of(g, s, v, s->plan.lo + lead - behind); }

static void enters(Gen *g, Sweep *s, Val v, int64_t lead, int64_t behind) {
  LLVMValueRef first = NULL;
  s->loop = false;
  find(s, v, s->plan.lo + lead - behind, &first);
  s->loop = true;
  know(s, v, s->plan.rep + lead - behind, cg_loop_phi(g->e, &s->turns, first));
}

static void goes_on(Gen *g, Sweep *s, Val v, int64_t lead, int64_t behind) {
  cg_loop_next(&s->turns, s->next++, vector_of(g, s, v, s->plan.rep + lead - behind + 1));
}

static void write_loop(Gen *g, Sweep *s, const Group *gr) {
  int64_t vl = s->vl;
  each_kept(g, s, first_kept);
  gen_forget(g);
  cg_loop_begin(g->e, &s->turns, cg_i64(g->e, s->plan.lo * vl), cg_i64(g->e, s->plan.hi * vl), vl);
  gen_wide_position(g, s->at = s->turns.iv);
  s->loop = true;
  each_kept(g, s, enters);
  each_root(g, s, gr, s->plan.rep);
  each_kept(g, s, goes_on);
  cg_loop_end(g->e, &s->turns);
  s->loop = false;
}

void gen_sweep(Gen *g, Frame *fr, const Group *gr, const PlanSweep *plan) {
  Sweep *s = base_realloc(NULL, sizeof *s);
  *s = (Sweep){.fr = fr, .plan = *plan, .vl = g->machine_vl};
  Entered was = gen_enter(g, &gen_sweep_reader, g->machine_vl);
  g->stretch.iv = cg_i64(g->e, 0), g->stretch.nshift = 0;
  g->sweep = s;
  gen_forget(g);
  for (int64_t k = 0; k < plan->n; k++)
    if (!in_loop(s, k)) each_root(g, s, gr, k);
  if (plan->lo < plan->hi) write_loop(g, s, gr);
  for (int64_t k = 0; k < plan->n; k++)
    for (uint32_t r = 0; !in_loop(s, k) && r < gr->root.n; r++) store(g, s, gr->root.at[r].v, k);
  gen_forget(g);
  g->sweep = NULL;
  gen_leave(g, was);
  vec_free(&s->fixed);
  vec_free(&s->known);
  base_free(s);
}

/* ---- values in registers --------------------------------------------------------------------------------------------- */

int64_t gen_vectors(const Gen *g, Type t) { return (type_count(t) + g->machine_vl - 1) / g->machine_vl; }

static void move_vectors(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec, bool load) {
  Entered was = gen_enter(g, &gen_wide_reader, g->machine_vl);
  for (int64_t k = 0; k < gen_vectors(g, t); k++) {
    LLVMValueRef at = cg_i64(g->e, k * g->machine_vl), one = cg_i64(g->e, 1);
    CgVec x = {{vec[k]}, true};
    g->part = part_of(g, t, k);
    if (load) vec[k] = gen_load(g, t, base, one, at).v[0];
    else gen_store(g, t, base, one, at, &x);
  }
  gen_leave(g, was);
}

void gen_vectors_load(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec) { move_vectors(g, t, base, vec, true); }
void gen_vectors_store(Gen *g, Type t, LLVMValueRef base, LLVMValueRef *vec) { move_vectors(g, t, base, vec, false); }
