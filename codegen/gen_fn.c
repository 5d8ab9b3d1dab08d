/* A whole function: what is done once, the loop over tiles, what follows the batch sums, and the
 * constant that describes it. */
#include "codegen/gen.h"
#include "codegen/target.h"

#include <stdlib.h>
#include <string.h>

LLVMValueRef gen_member(Gen *g, LLVMValueRef p, LLVMTypeRef t, size_t bytes) {
  return LLVMBuildLoad2(g->e->b, t, cg_gep_bytes(g->e, p, cg_i64(g->e, (int64_t)bytes)), "");
}

static void load_args(Gen *g, size_t field, uint32_t n, LLVMValueRef **p, LLVMValueRef **ld) {
  *p = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1), *ld = ARENA_ARRAY(g->mem, LLVMValueRef, n + 1);
  if (!n) return;
  LLVMValueRef at = gen_member(g, g->call, g->e->ptr, field);
  for (uint32_t k = 0; k < n; k++) {
    (*p)[k] = gen_member(g, at, g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p));
    (*ld)[k] = gen_member(g, at, g->e->i64, k * sizeof(HnnArg) + offsetof(HnnArg, ld));
  }
}

LLVMValueRef gen_tile_start(Gen *g, LLVMValueRef p, Type t) {
  if (!t.lane) return p;
  LLVMValueRef first = cg_imul(g->e, g->tile, cg_i64(g->e, g->e->tile));
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, p, first) : cg_gep(g->e, p, first);
}

/* ---- arguments of one sample at a time ----------------------------------------------------------------------------- */

bool gen_buffered(Gen *g, const Plan *p, bool in, uint32_t k, LLVMValueRef *base, LLVMValueRef *ld) {
  int64_t buf = in ? p->in_buf[k] : p->out_buf[k];
  if (buf < 0) return false;
  *base = gen_scratch(g, buf), *ld = cg_i64(g->e, 1);
  return true;
}

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
  free(loop);
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
  LLVMBuildMemCpy(g->e->b, in ? buf : user, (unsigned)es, in ? user : buf, (unsigned)es, bytes);
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

/* Points the inputs, and what is computed where it is wanted, to the caller's arrays: shared ones
 * once, per-sample ones for each tile. */
static void place_args(Gen *g, Frame *fr, bool lane) {
  const Fn *f = fr->p->f;
  for (uint32_t v = 1; v < f->inst.n; v++) {
    const Inst *i = &f->inst.at[v];
    const PVal *q = &fr->p->val[v];
    if (!fr->p->live[v] || i->type.lane != lane || q->alias) continue;
    uint32_t k = q->cls == PC_IN ? (uint32_t)ir_attr(f, i, 0) : q->homeidx;
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
    argument(g, fr->p, false, c->k, &base, &ld);
    gen_copy(g, fr, c->v, t, base, ld, false);
  }
  gen_forget(g);
}

/* ---- sums over the tiles ------------------------------------------------------------------------------------ */

static bool summed_in_place(const Plan *p, uint32_t v) {
  const PVal *q = &p->val[v];
  if (!p->live[v] || q->alias || q->into || !q->bsum || !q->stored || q->cls != PC_BUF) return false;
  return q->sum == SUM_PRODUCT || p->f->inst.at[v].op == OP_proj || p->group.at[q->group]->kind == G_DW;
}

/* Calls f for each set of lane accumulators that last for the whole call, bodies of loops included. */
typedef void (*AccFn)(Gen *g, Frame *fr, const Plan *p, Val sum, int64_t acc);
static void each_acc(Gen *g, Frame *fr, const Plan *p, AccFn f) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *gr = p->group.at[k];
    for (uint32_t r = 0; r < gr->root.n; r++)
      if (gr->root.at[r].persist && !p->val[gr->root.at[r].v.id].into) f(g, fr, p, gr->root.at[r].v, gr->root.at[r].acc);
    if (gr->body) each_acc(g, fr, gr->body, f);
  }
  for (uint32_t v = 1; v < p->f->inst.n; v++)
    if (p->live[v] && p->val[v].sum == SUM_LANES && ir_op[p->f->inst.at[v].op].cls != OPC_STRUCT && p->val[v].stored)
      f(g, fr, p, (Val){v}, p->val[v].acc);
}

static void open_acc(Gen *g, Frame *fr, const Plan *p, Val sum, int64_t acc) {
  (void)fr;
  gen_zero(g, gen_scratch(g, acc), type_count(ir_type(p->f, sum)) * g->e->vl * g->e->es);
}

/* A loop's sum belongs to the result of the loop. */
static void close_acc(Gen *g, Frame *fr, const Plan *p, Val sum, int64_t acc) {
  LLVMValueRef base, ld;
  const PVal *q = &p->val[sum.id];
  if (!q->stored) return;
  Val to = p->up ? plan_result(fr->p, p->call, q->homeidx) : sum;
  gen_memory(g, fr, to, &base, &ld);
  gen_lane_reduce(g, gen_scratch(g, acc), type_count(ir_type(p->f, sum)), base);
}

/* `set`: those that the first tile sets. */
static void zero_sums(Gen *g, Frame *fr, bool set) {
  const Plan *p = fr->p;
  LLVMValueRef base, ld;
  for (uint32_t v = 1; v < p->f->inst.n; v++) {
    if (!summed_in_place(p, v) || plan_sets(p, (Val){v}) != set) continue;
    gen_memory(g, fr, (Val){v}, &base, &ld);
    gen_fill(g, p->f->inst.at[v].type, base, ld, 0);
  }
}

static void open_sums(Gen *g, Frame *fr) {
  each_acc(g, fr, fr->p, open_acc);
  zero_sums(g, fr, false);
}

static void close_sums(Gen *g, Frame *fr) { each_acc(g, fr, fr->p, close_acc); }

/* ---- the function ------------------------------------------------------------------------------------------------ */

static void tiles(Gen *g, Frame *fr, const char *symbol) {
  CgLoop *loop = base_realloc(NULL, sizeof *loop);
  LLVMValueRef lo = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile0));
  LLVMValueRef hi = gen_member(g, g->call, g->e->i64, offsetof(HnnCall, tile1));
  LLVMBasicBlockRef some = cg_block(g->e, "tiles"), none = cg_block(g->e, "none"), after = cg_block(g->e, "after");
  LLVMBuildCondBr(g->e->b, LLVMBuildICmp(g->e->b, LLVMIntSLT, lo, hi, ""), some, none);
  LLVMPositionBuilderAtEnd(g->e->b, none);
  zero_sums(g, fr, true);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, some);
  cg_loop_begin(g->e, loop, lo, hi, 1);
  g->tile = loop->iv;
  for (uint32_t k = 0; k < fr->p->f->in.n; k++) move_argument(g, fr->p, true, k);
  if (fr->p->ncut) {
    gen_piece_calls(g, fr->p, symbol);
  } else {
    place_args(g, fr, true);
    gen_groups(g, fr, SEC_TILE);
    copies(g, fr, SEC_TILE);
  }
  for (uint32_t k = 0; k < fr->p->f->out.n; k++) move_argument(g, fr->p, false, k);
  cg_loop_end(g->e, loop);
  LLVMBuildBr(g->e->b, after);
  LLVMPositionBuilderAtEnd(g->e->b, after);
  g->tile = cg_i64(g->e, 0);
  free(loop);
}

static void info_constant(CgEmit *e, const PlanForms *forms, Plan *const *p, LLVMValueRef few, const char *symbol) {
  char name[512];
  snprintf(name, sizeof name, "%s_info", symbol);
  const Plan *main = p[0], *other = forms->n > 1 ? p[1] : p[0];
  int64_t scratch = main->scratch > other->scratch ? main->scratch : other->scratch;
  LLVMValueRef field[] = {cg_i32(e, main->lane ? (int32_t)main->target.tile : 0), cg_i32(e, e->f64),
                          few ? few : LLVMConstNull(e->ptr), cg_i32(e, few ? (int32_t)other->target.tile : 0),
                          cg_i32(e, few ? (int32_t)forms->most : 0), cg_i64(e, scratch), cg_i64(e, main->flop_tile),
                          cg_i64(e, main->flop_once)};
  LLVMValueRef init = LLVMConstStructInContext(e->ctx, field, sizeof field / sizeof *field, 0);
  LLVMValueRef info = LLVMAddGlobal(e->mod, LLVMTypeOf(init), name);
  LLVMSetInitializer(info, init);
  LLVMSetGlobalConstant(info, 1);
}

static LLVMValueRef form(CgEmit *e, Plan *p, const char *symbol, bool internal) {
  const Fn *f = p->f;
  CgEmit own = *e;
  own.tile = p->target.tile, own.vl = p->target.vl;
  own.nv = own.tile / own.vl;
  Gen g = {.e = &own, .mem = p->mem, .machine_vl = e->vl};
  LLVMValueRef fn = cg_function(&own, symbol, LLVMFunctionType(own.voidt, &own.ptr, 1, 0), internal);
  own.fn = fn;
  LLVMPositionBuilderAtEnd(own.b, cg_block(&own, ""));
  g.call = LLVMGetParam(fn, 0);
  g.tile = cg_i64(&own, 0);
  g.scratch = gen_member(&g, g.call, own.ptr, offsetof(HnnCall, scratch));
  load_args(&g, offsetof(HnnCall, in), f->in.n, &g.in, &g.inld);
  load_args(&g, offsetof(HnnCall, out), f->out.n, &g.out, &g.outld);
  LLVMBasicBlockRef body = cg_block(&own, "");
  LLVMBuildBr(own.b, body);
  LLVMPositionBuilderAtEnd(own.b, body);
  Frame *fr = gen_frame(&g, p, NULL);
  place_args(&g, fr, false);
  open_sums(&g, fr);
  gen_groups(&g, fr, SEC_ONCE);
  copies(&g, fr, SEC_ONCE);
  if (p->lane) {
    tiles(&g, fr, symbol);
    close_sums(&g, fr);
    gen_groups(&g, fr, SEC_LAST);
    copies(&g, fr, SEC_LAST);
  }
  LLVMBuildRetVoid(own.b);
  free(g.memo);
  return fn;
}

void cg_gen_function(CgEmit *e, const Fn *f, const char *symbol, PlanForm wanted, int64_t samples) {
  PlanForms forms = plan_forms(f, e->vl, e->regs, wanted, samples);
  Plan *p[2] = {0};
  LLVMValueRef few = NULL;
  char name[512];
  snprintf(name, sizeof name, "%s.few", symbol);
  for (uint32_t k = 0; k < forms.n; k++) {
    p[k] = plan_create(f, forms.target[k]);
    LLVMValueRef fn = form(e, p[k], k ? name : symbol, k > 0);
    if (k) few = fn;
  }
  info_constant(e, &forms, p, few, symbol);
  for (uint32_t k = 0; k < forms.n; k++) plan_destroy(p[k]);
}
