/* A whole function: what is done once, the loop over tiles, what follows the batch sums, and the
 * constant that describes it. */
#include "codegen/gen/gen.h"
#include "codegen/gen/gen_priv.h"

#include <stdlib.h>
#include <string.h>

/* Per-sample arrays; the shared ones are loaded where they are needed. */
static void load_args(Gen *g, size_t field, const Fn *f, bool in, LLVMValueRef **p, LLVMValueRef **ld) {
  uint32_t n = in ? f->in.n : f->out.n;
  *p = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1), *ld = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1);
  if (!n) return;
  LLVMValueRef at = gen_member(g, g->call, g->e->ptr, field);
  for (uint32_t k = 0; k < n; k++) {
    if (!(in ? f->in.at[k].type : ir_type(f, f->out.at[k])).lane) continue;
    (*p)[k] = gen_member(g, at, g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p));
    (*ld)[k] = gen_member(g, at, g->e->i64, k * sizeof(HnnArg) + offsetof(HnnArg, ld));
  }
}

/* ---- arguments of one sample at a time ----------------------------------------------------------------------------- */

/* n elements, `stride` apart in the caller's array and side by side in the buffer; `in`: to the buffer. */
static void move_strided(Gen *g, bool in, Type t, LLVMValueRef buf, LLVMValueRef p, LLVMValueRef stride) {
  LLVMTypeRef elem = t.dt == DT_BOOL ? g->e->i8 : g->e->real;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), cg_i64(g->e, type_count(t)), 1);
  LLVMValueRef far = cg_imul(g->e, loop->iv, stride);
  LLVMValueRef a = LLVMBuildInBoundsGEP2(g->e->b, elem, buf, &loop->iv, 1, "");
  LLVMValueRef b = LLVMBuildInBoundsGEP2(g->e->b, elem, p, &far, 1, "");
  LLVMBuildStore(g->e->b, LLVMBuildLoad2(g->e->b, elem, in ? b : a, ""), in ? a : b);
  cg_loop_end(g->e, loop);
  base_free(loop);
}

static void move_argument(Gen *g, const Plan *p, bool in, uint32_t k) {
  LLVMValueRef buf, one, stride = in ? g->inld[k] : g->outld[k];
  if (!gen_buffered(g, p, in, k, &buf, &one)) return;
  Type t = in ? p->f->in.at[k].type : ir_type(p->f, p->f->out.at[k]);
  int64_t es = t.dt == DT_BOOL ? 1 : g->e->es;
  LLVMValueRef user = gen_tile_start(g, in ? g->in[k] : g->out[k], t), bytes = cg_i64(g->e, type_count(t) * es);
  LLVMBasicBlockRef near = cg_block(g->e, ""), far = cg_block(g->e, ""), after = cg_block(g->e, "");
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntEQ, stride, one, ""), near, far);
  LLVMPositionBuilderAtEnd(g->e->b, near);
  g->kernel->copy(g->e, in ? buf : user, in ? user : buf, (unsigned)es, bytes);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, far);
  move_strided(g, in, t, buf, user, stride);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, after);
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

static void argument(Gen *g, const Plan *p, bool in, uint32_t k, LLVMValueRef *base, LLVMValueRef *ld) {
  Type t = in ? p->f->in.at[k].type : ir_type(p->f, p->f->out.at[k]);
  if (gen_buffered(g, p, in, k, base, ld)) return;
  *base = gen_tile_start(g, in ? g->in[k] : g->out[k], t), *ld = in ? g->inld[k] : g->outld[k];
}

/* Points the per-sample inputs, and what is computed where it is wanted, to the tile's part of the caller's arrays. Shared
 * ones are looked for when they are needed (gen_memory). */
static void place_args(Gen *g, Frame *fr) {
  const Fn *f = fr->p->f;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    const PVal *q = &fr->p->val[v];
    if (!fr->p->live[v] || !i->type.lane || q->alias) continue;
    uint32_t k = q->cls == PC_IN ? ir_number(f, i) : q->homeidx;
    if (q->cls == PC_IN) argument(g, fr->p, true, k, &fr->base[v], &fr->ld[v]);
    else if (q->home == HOME_OUT) argument(g, fr->p, false, k, &fr->base[v], &fr->ld[v]);
  }
}

static void copies(Gen *g, Frame *fr, Section s) {
  for (uint32_t k = 0; k < fr->p->copy.n; k++) {
    const Copy *c = &fr->p->copy.at[k];
    Type t = ir_type(fr->p->f, c->v);
    if (fr->p->val[c->v.id].section != s) continue;
    LLVMValueRef base, ld;
    gen_forget(g);
    if (t.lane) argument(g, fr->p, false, c->k, &base, &ld);
    else base = gen_shared_array(g, offsetof(HnnCall, out), c->k), ld = gen_tile_ld(g);
    gen_copy(g, fr, c->v, t, base, ld, false);
  }
  gen_forget(g);
}

/* ---- the function ------------------------------------------------------------------------------------------------ */

/* What the tiles add is written into a frame of its own, so that it can be written for another number of vectors. */
static Frame *frame_again(Gen *g, const Frame *fr) {
  Frame *own = gen_frame(g, fr->p, fr->up);
  size_t n = sizeof(LLVMValueRef) * fr->p->f->inst.n;
  memcpy(own->ssa, fr->ssa, sizeof *fr->ssa * fr->p->f->inst.n);
  memcpy(own->base, fr->base, n);
  memcpy(own->ld, fr->ld, n);
  return own;
}

/* One turn over n tiles from g->tile on, where lanes are refilled (plan_refill.c). ode: the number of its group; end: what comes behind
 * it. */
static void turn(Gen *g, Frame *fr, uint32_t ode, LLVMValueRef rates, LLVMValueRef n, bool end) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  const Plan *p = fr->p;
  LLVMValueRef first = g->tile;
  cg_loop_begin(g->e, loop, cg_i64(g->e, 0), n, 1);
  g->tile = cg_iadd(g->e, first, loop->iv);
  Frame *own = frame_again(g, fr);
  place_args(g, own);
  for (uint32_t k = 1; k < ode; k++)
    if (p->group.at[k]->section == SEC_TILE && (!end || p->group.at[k]->again)) gen_group(g, own, k);
  if (!end) gen_ode_begin(g, own, p->group.at[ode], rates, loop->iv);
  else gen_ode_end(g, own, p->group.at[ode], loop->iv);
  for (uint32_t k = ode + 1; end && k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE) gen_group(g, own, k);
  if (end) copies(g, own, SEC_TILE);
  cg_loop_end(g->e, loop);
  g->tile = first;
  base_free(loop);
}

static void refilled(Gen *g, Frame *fr, LLVMValueRef lo, LLVMValueRef hi, uint32_t ode) {
  CgEmit *e = g->e;
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  const Group *gr = fr->p->group.at[ode];
  LLVMValueRef most = cg_i64(e, gr->refill), rates = gen_ode_rates(g, fr, gr);
  cg_loop_begin(e, loop, lo, hi, gr->refill);
  g->tile = loop->iv;
  LLVMValueRef left = LLVMBuildNSWSub(e->b, hi, loop->iv, ""), few = LLVMBuildICmp(e->b, LLVMIntSLT, left, most, "");
  LLVMValueRef n = LLVMBuildSelect(e->b, few, left, most, "");
  turn(g, fr, ode, rates, n, false);
  gen_ode_steps(g, fr, gr, rates, n);
  turn(g, fr, ode, rates, n, true);
  cg_loop_end(e, loop);
  base_free(loop);
}

static void whole_tiles(Gen *g, Frame *fr, const char *symbol, LLVMValueRef lo, LLVMValueRef hi, unsigned step) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  cg_loop_begin(g->e, loop, lo, hi, step);
  g->tile = loop->iv;
  for (uint32_t k = 0; k < fr->p->f->in.n; k++) move_argument(g, fr->p, true, k);
  if (fr->p->ncut) {
    gen_piece_calls(g, fr->p, symbol);
  } else {
    Frame *own = frame_again(g, fr);
    place_args(g, own);
    gen_groups(g, own, SEC_TILE);
    copies(g, own, SEC_TILE);
  }
  for (uint32_t k = 0; k < fr->p->f->out.n; k++) move_argument(g, fr->p, false, k);
  cg_loop_end(g->e, loop);
  base_free(loop);
}

/* Tiles lo to hi, `step` at once. */
static void some_tiles(Gen *g, Frame *fr, const char *symbol, LLVMValueRef lo, LLVMValueRef hi, unsigned step) {
  const uint32_t ode = plan_refilled(fr->p);
  LLVMBasicBlockRef some = cg_block(g->e, "tiles"), after = cg_block(g->e, "after");
  g->e->tile = g->unit * step, g->e->nv = g->e->tile / g->e->vl;
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, ""), some, after);
  LLVMPositionBuilderAtEnd(g->e->b, some);
  if (ode) refilled(g, fr, lo, hi, ode);
  else whole_tiles(g, fr, symbol, lo, hi, step);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, after);
  g->tile = cg_i64(g->e, 0);
}

static void tiles(Gen *g, Frame *fr, const char *symbol) {
  LLVMValueRef lo = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile0));
  LLVMValueRef hi = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile1));
  const unsigned together = fr->p->form.together;
  LLVMBasicBlockRef none = cg_block(g->e, ""), start = cg_block(g->e, "");
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, ""), start, none);
  LLVMPositionBuilderAtEnd(g->e->b, none);
  gen_zero_sums(g, fr, true);
  LLVMBuildBr(g->e->b, start);
  LLVMPositionBuilderAtEnd(g->e->b, start);
  if (together > 1) {
    LLVMValueRef n = LLVMBuildNSWSub(g->e->b, hi, lo, ""), rest = LLVMBuildURem(g->e->b, n, cg_i64(g->e, together), "");
    LLVMValueRef mid = LLVMBuildNSWSub(g->e->b, hi, rest, "");
    some_tiles(g, fr, symbol, lo, mid, together);
    lo = mid;
  }
  some_tiles(g, fr, symbol, lo, hi, 1);
}

static void info_constant(CgEmit *e, const PlanForms *forms, LLVMValueRef few, const char *symbol) {
  char name[512];
  snprintf(name, sizeof name, "%s_info", symbol);
  const Plan *main = forms->plan[0], *other = forms->plan[forms->n - 1];
  int64_t scratch = main->scratch > other->scratch ? main->scratch : other->scratch;
  LLVMValueRef field[] = {cg_i32(e, main->lane ? (int32_t)main->form.tile : 0),
                          cg_i32(e, e->f64),
                          cg_i32(e, (int32_t)main->form.together),
                          few ? few : LLVMConstNull(e->ptr),
                          cg_i32(e, few ? (int32_t)other->form.tile : 0),
                          cg_i32(e, few ? (int32_t)forms->most : 0),
                          cg_i64(e, scratch),
                          cg_i64(e, main->flop_tile),
                          cg_i64(e, main->flop_once)};
  LLVMValueRef init = LLVMConstStructInContext(e->ctx, field, sizeof field / sizeof *field, 0);
  LLVMValueRef info = LLVMAddGlobal(e->mod, LLVMTypeOf(init), name);
  LLVMSetInitializer(info, init);
  LLVMSetGlobalConstant(info, 1);
}

static Gen gen_of(const CgEmit *e, CgEmit *own, const Plan *p, GenShare share) {
  *own = *e;
  own->tile = p->form.tile, own->vl = p->form.vl;
  own->nv = own->tile / own->vl;
  return (Gen){.e = own,
               .mem = p->mem,
               .machine_vl = e->vl,
               .unit = own->tile,
               .scope = &gen_function_scope,
               .reader = &gen_element_reader,
               .tune = own->target->tune,
               .kernel = own->target->kernel,
               .share = share.k,
               .shares = share.n};
}

/* Another share than the first. */
static void form_pieces(const CgEmit *e, Plan *p, const char *symbol, GenShare share) {
  CgEmit own;
  Gen g = gen_of(e, &own, p, share);
  if (!p->ncut) return;
  gen_outlines_init(&g, p);
  gen_pieces(&g, p, symbol);
  gen_outlines_finish(&g);
  base_free(g.memo);
}

static LLVMValueRef form(const CgEmit *e, Plan *p, const char *symbol, GenShare share, bool internal) {
  const Fn *f = p->f;
  CgEmit own;
  Gen g = gen_of(e, &own, p, share);
  LLVMValueRef fn = cg_function(&own, symbol, LLVMFunctionType(own.voidt, &own.ptr, 1, 0), internal);
  own.fn = g.fn = fn;
  LLVMPositionBuilderAtEnd(own.b, cg_block(&own, ""));
  g.call = LLVMGetParam(fn, 0);
  g.tile = cg_i64(&own, 0);
  g.scratch = gen_member(&g, g.call, own.ptr, offsetof(HnnCall, scratch));
  load_args(&g, offsetof(HnnCall, in), f, true, &g.in, &g.inld);
  load_args(&g, offsetof(HnnCall, out), f, false, &g.out, &g.outld);
  LLVMBasicBlockRef body = cg_block(&own, "");
  LLVMBuildBr(own.b, body);
  LLVMPositionBuilderAtEnd(own.b, body);
  gen_outlines_init(&g, p);
  Frame *fr = gen_frame(&g, p, NULL);
  gen_open_sums(&g, fr);
  gen_groups(&g, fr, SEC_ONCE);
  copies(&g, fr, SEC_ONCE);
  if (p->lane) {
    tiles(&g, fr, symbol);
    gen_close_sums(&g, fr);
    gen_groups(&g, fr, SEC_LAST);
    copies(&g, fr, SEC_LAST);
  }
  LLVMBuildRetVoid(own.b);
  gen_outlines_finish(&g);
  base_free(g.memo);
  return fn;
}

uint32_t gen_shares(const CgTuning *t, const Fn *f) {
  uint32_t n = plan_length(f) / t->share;
  return n < 1 ? 1 : n > t->shares ? t->shares : n;
}

void gen_function(CgEmit *e, const Fn *f, const char *symbol, CgForm wanted, int64_t samples, GenShare share) {
  PlanForms forms = plan_forms(f, e->target, wanted, samples);
  LLVMValueRef few = NULL;
  char name[512];
  snprintf(name, sizeof name, "%s.few", symbol);
  for (uint32_t k = 0; k < forms.n; k++) {
    LLVMValueRef fn = NULL;
    if (share.k) form_pieces(e, forms.plan[k], k ? name : symbol, share);
    else fn = form(e, forms.plan[k], k ? name : symbol, share, k > 0);
    if (k) few = fn;
  }
  if (!share.k) info_constant(e, &forms, few, symbol);
  for (uint32_t k = 0; k < forms.n; k++) plan_destroy(forms.plan[k]);
}
