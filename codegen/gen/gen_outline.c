/* Groups that are alike but for the places of their values: layers of a network, steps of a flow. Such a group is
 * written once, as a function, and called for each:
 *
 *   call, scratch      of the function (ir/abi.h)
 *   const i64 *table   where this group's values lie: offsets in scratch, numbers of arguments; a constant for each call
 *   ...                what is known only when the code runs: pointers, row lengths, turns of loops, and tiny values
 *   returns            tiny values
 *
 * Nobody has to know what the code of a group depends on. It is written as a trial, with a slot for each thing that it
 * asks its surroundings for, loaded from a block of memory; two groups are alike if their trials are the same text.
 * The first of its kind is then written for good, with the slots as parameters, and all are calls with their slots.
 * Groups that are certainly alone are not tried. */
#include "codegen/gen/gen_priv.h"

#include <string.h>
#include <xxhash.h>

/* Up to SLOT_TABLE by number in the table, the others handed over. */
typedef enum { SLOT_SCRATCH, SLOT_IN, SLOT_OUT, SLOT_TABLE = SLOT_OUT, SLOT_BASE, SLOT_LD, SLOT_TURN, SLOT_SSA } SlotKind;

typedef struct Slot {
  SlotKind kind;
  Frame *fr; /* handed over: the frame around the group, or one further out */
  Val v;
  int64_t n; /* what is in the table; SLOT_SSA: element */
  unsigned nvalue;
  LLVMValueRef value[CG_MAX_NV]; /* as the function sees it */
} Slot;

struct Outline {      /* a function while it is written */
  const Scope *outer; /* of the function that calls it */
  LLVMValueRef fn, call, scratch, table;
  VEC(Slot) slot;
  int64_t ntable, nplace; /* a trial: things in its block of memory */
  VEC(LLVMValueRef) result;
};

typedef struct Written {
  uint64_t hash;
  char *text;
  LLVMValueRef fn;
} Written;
typedef struct Kind {
  uint64_t print;
  uint32_t groups, failures;
  bool matched;
} Kind;

typedef struct Leaving {
  const Plan *p;
  bool *yes;
} Leaving;

/* Trials are functions of a module of their own: to write one as text, LLVM walks through all of its module. */
struct Outlines {
  LLVMModuleRef trials;
  VEC(Leaving) leaving;
  VEC(Kind) kind;
  VEC(Written) written;
};

/* ---- which groups ----------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t x) { return (h ^ x) * 0x9e3779b97f4a7c15u ^ h >> 29; }

static uint64_t mix_type(uint64_t h, Type t) {
  h = mix(h, (uint64_t)t.dt << 16 | (uint64_t)t.lane << 8 | t.rank);
  for (int k = 0; k < t.rank; k++) h = mix(h, t.dim[k]);
  return h;
}

static uint64_t mix_inst(uint64_t h, const Plan *p, Val v) {
  const Inst *i = ir_inst(p->f, v);
  h = mix(mix_type(h, i->type), (uint64_t)i->op << 8 | i->nargs);
  for (uint32_t k = 0; k < i->nattr; k++) h = mix(h, (uint64_t)ir_attrs(p->f, i).at[k]);
  for (uint32_t k = 0; k < i->nargs; k++) {
    Val a = ir_arg(p->f, i, k);
    h = mix(mix_type(h, ir_type(p->f, a)), p->val[a.id].cls);
  }
  return h;
}

/* A map reads its rows by address: it matters where they are. */
static uint64_t print_of_rows(uint64_t h, const Plan *p, const Inst *scan) {
  for (uint32_t k = 0; k < scan->nargs; k++) {
    const PVal *q = &p->val[plan_root(p, ir_arg(p->f, scan, k)).id];
    h = mix(h, (uint64_t)q->cls << 8 | (q->home == HOME_SCRATCH));
  }
  return h;
}

/* Groups with the same code have the same print. */
static uint64_t print_of(const Plan *p, const Group *g) {
  uint64_t h = mix(g->kind, (uint64_t)g->lane << 8 | g->rank);
  for (uint32_t k = 0; k < g->rank; k++) h = mix(h, g->dim[k]);
  if (g->main.id) h = mix_inst(h, p, g->main);
  if (plan_turned(g)) h = print_of_rows(h, p, ir_inst(p->f, g->main));
  for (uint32_t k = 0; k < g->member.n; k++) h = mix_inst(h, p, g->member.at[k]);
  for (uint32_t k = 0; k < g->root.n; k++) {
    const Root *r = &g->root.at[k];
    h = mix(mix_inst(h, p, r->v), (uint64_t)r->kind << 1 | r->persist);
  }
  return h;
}

static bool can_be_called(const Group *g) {
  switch (g->kind) {
  case G_TINY:
  case G_LOOP:
  case G_GEMM:
  case G_DOT:
  case G_CONCAT:
  case G_PUT:
  case G_LU:
  case G_CHOLESKY:
  case G_EIGH:
  case G_SOLVE: return true;
  case G_SCAN: return plan_turned(g);
  default: return false; /* loops around groups, draws; weight gradients are calls already */
  }
}

static Kind *kind_of(Outlines *o, uint64_t print) {
  for (uint32_t k = 0; k < o->kind.n; k++)
    if (o->kind.at[k].print == print) return &o->kind.at[k];
  Kind *new = vec_push(&o->kind);
  *new = (Kind){.print = print};
  return new;
}

static void count_groups(Outlines *o, const Plan *p) {
  for (uint32_t k = 1; k < p->group.n; k++) {
    const Group *g = p->group.at[k];
    if (can_be_called(g)) kind_of(o, print_of(p, g))->groups++;
    if (g->body) count_groups(o, g->body);
  }
}

void gen_outlines_init(Gen *g, const Plan *p) {
  g->outlines = base_realloc(NULL, sizeof *g->outlines);
  *g->outlines = (Outlines){.trials = LLVMModuleCreateWithNameInContext("trials", g->e->ctx)};
  LLVMSetModuleDataLayout(g->outlines->trials, LLVMGetModuleDataLayout(g->e->mod));
  count_groups(g->outlines, p);
}

void gen_outlines_finish(Gen *g) {
  LLVMDisposeModule(g->outlines->trials);
  for (uint32_t k = 0; k < g->outlines->written.n; k++) LLVMDisposeMessage(g->outlines->written.at[k].text);
  for (uint32_t k = 0; k < g->outlines->leaving.n; k++) base_free(g->outlines->leaving.at[k].yes);
  vec_free(&g->outlines->leaving);
  vec_free(&g->outlines->written);
  vec_free(&g->outlines->kind);
  base_free(g->outlines);
}

/* ---- what the function asks for ---------------------------------------------------------------------------------- */

static Slot *slot_of(Outline *o, SlotKind kind, Frame *fr, Val v, int64_t n) {
  for (uint32_t k = 0; k < o->slot.n; k++) {
    Slot *s = &o->slot.at[k];
    if (s->kind == kind && s->fr == fr && s->v.id == v.id && s->n == n) return s;
  }
  Slot *s = vec_push(&o->slot);
  *s = (Slot){.kind = kind, .fr = fr, .v = v, .n = n};
  return s;
}

/* Loads stand in the first block, which every use comes after. */
static LLVMBasicBlockRef to_entry(Gen *g) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->e->b);
  LLVMPositionBuilderBefore(g->e->b, LLVMGetBasicBlockTerminator(LLVMGetEntryBasicBlock(g->outline->fn)));
  return here;
}

static LLVMValueRef from_table(Gen *g, SlotKind kind, int64_t n) {
  static const size_t field[] = {[SLOT_IN] = offsetof(HnnCall, in), [SLOT_OUT] = offsetof(HnnCall, out)};
  Outline *o = g->outline;
  Slot *s = slot_of(o, kind, NULL, VAL_NONE, n);
  if (s->nvalue++) return s->value[0];
  LLVMBasicBlockRef here = to_entry(g);
  LLVMValueRef at = gen_member(g, o->table, g->e->i64, (size_t)(8 * o->ntable++));
  if (kind == SLOT_SCRATCH) s->value[0] = cg_gep_bytes(g->e, o->scratch, at);
  else {
    LLVMValueRef args = gen_member(g, o->call, g->e->ptr, field[kind]);
    s->value[0] = gen_member(g, cg_gep_bytes(g->e, args, at), g->e->ptr, offsetof(HnnArg, p));
  }
  LLVMPositionBuilderAtEnd(g->e->b, here);
  return s->value[0];
}

/* In the function itself they are parameters, and there from the start. */
static const Slot *handed_over(Gen *g, SlotKind kind, Frame *fr, Val v, int64_t element, LLVMTypeRef type, unsigned n) {
  Outline *o = g->outline;
  Slot *s = slot_of(o, kind, fr, v, element);
  if (s->nvalue) return s;
  LLVMBasicBlockRef here = to_entry(g);
  s->nvalue = n;
  for (unsigned k = 0; k < n; k++) s->value[k] = gen_member(g, o->table, type, (size_t)(4096 + 64 * o->nplace++));
  LLVMPositionBuilderAtEnd(g->e->b, here);
  return s;
}

static LLVMValueRef scratch(Gen *g, int64_t off) { return from_table(g, SLOT_SCRATCH, off); }

static void memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld) {
  Outline *o = g->outline;
  Frame *of = fr->of;
  const PVal *q = &fr->p->val[v.id];
  const Inst *i = ir_inst(fr->p->f, v);
  int64_t k;
  bool shared = !i->type.lane && !fr->p->up;
  *ld = gen_tile_ld(g);
  if (shared && q->cls == PC_IN) *base = from_table(g, SLOT_IN, (int64_t)sizeof(HnnArg) * ir_number(fr->p->f, i));
  else if (shared && q->home == HOME_OUT) *base = from_table(g, SLOT_OUT, (int64_t)sizeof(HnnArg) * q->homeidx);
  else if (!of->base[v.id] && q->cls != PC_TABLE && q->home == HOME_SCRATCH) *base = from_table(g, SLOT_SCRATCH, q->off);
  else {
    g->scope = o->outer;
    if (!of->base[v.id]) o->outer->find(g, of, v);
    g->scope = &gen_outline_scope;
    *base = handed_over(g, SLOT_BASE, of, v, 0, g->e->ptr, 1)->value[0];
    if (of->ld[v.id]) *ld = of->ld[v.id];
    if (!cg_is_int(*ld, &k)) *ld = handed_over(g, SLOT_LD, of, v, 0, g->e->i64, 1)->value[0];
  }
}

static CgVec tiny(Gen *g, Frame *fr, Val v, int64_t element) {
  g->scope = g->outline->outer;
  CgVec x = gen_ssa_get(g, fr->of, v, element);
  g->scope = &gen_outline_scope;
  unsigned n = x.lane ? g->e->nv : 1;
  memcpy(x.v, handed_over(g, SLOT_SSA, fr->of, v, element, LLVMTypeOf(x.v[0]), n)->value, n * sizeof *x.v);
  return x;
}

static bool elsewhere(const Gen *g, const Frame *fr, Val v) {
  return !fr->up && !fr->ssa[v.id] && g->outline->outer->elsewhere(g, fr->of, v);
}

/* It asks for memory by names of its own (`memory`), and never for more. */
const Scope gen_outline_scope = {.scratch = scratch, .memory = memory, .tiny = tiny, .elsewhere = elsewhere};

/* ---- the function ------------------------------------------------------------------------------------------------- */

/* The frame as the function sees it: nothing is known of any value. */
static Frame *blank_frame(Gen *g, Frame *of) {
  Frame *fr = gen_frame_brief(of->p, of->up ? blank_frame(g, of->up) : NULL);
  fr->of = of;
  if (of->turn) fr->turn = handed_over(g, SLOT_TURN, of, VAL_NONE, 0, g->e->i64, 1)->value[0];
  return fr;
}

/* By value: it is tiny, and code outside of its group reads it in registers. */
static const bool *leaving(Outlines *o, const Plan *p) {
  for (uint32_t k = 0; k < o->leaving.n; k++)
    if (o->leaving.at[k].p == p) return o->leaving.at[k].yes;
  bool *yes = base_zeroed(p->f->inst.n, sizeof *yes);
  for (uint32_t k = 0; k < p->f->out.n; k++) yes[plan_root(p, p->f->out.at[k]).id] = true;
  for (uint32_t u = 1; u < p->f->inst.n; u++) {
    const Inst *i = &p->f->inst.at[u];
    if (!p->live[u] || p->val[u].cls == PC_VIEW || p->val[u].alias) continue;
    for (uint32_t k = 0; k < i->nargs; k++) {
      Val r = plan_root(p, ir_arg(p->f, i, k));
      yes[r.id] |= p->val[r.id].group != p->val[u].group;
    }
  }
  for (uint32_t v = 1; v < p->f->inst.n; v++) yes[v] &= p->val[v].cls == PC_SSA;
  *vec_push(&o->leaving) = (Leaving){p, yes};
  return yes;
}

/* Results in registers, in the order of members and roots, with the product itself behind: out of the function, or into the frame of the caller. */
static void each_result(Gen *g, Frame *fr, uint32_t group, Outline *o, LLVMValueRef got) {
  const Group *gr = fr->p->group.at[group];
  const bool *yes = leaving(g->outlines, fr->p);
  unsigned at = 0;
  const uint32_t results = gr->member.n + gr->root.n + gr->gemv;
  for (uint32_t k = 0; k < results; k++) {
    Val v = k < gr->member.n ? gr->member.at[k] : k < gr->member.n + gr->root.n ? gr->root.at[k - gr->member.n].v : gr->main;
    Type t = ir_type(fr->p->f, v);
    for (int64_t n = 0; yes[v.id] && n < type_count(t); n++) {
      CgVec x = {.lane = t.lane};
      if (!got) x = gen_ssa_get(g, fr, v, n);
      for (unsigned j = 0; j < (t.lane ? g->e->nv : 1); j++)
        if (got) x.v[j] = LLVMBuildExtractValue(g->e->b, got, at++, "");
        else *vec_push(&o->result) = x.v[j];
      if (got) gen_ssa_set(g, fr, v, n, x);
    }
  }
}

static void store_results(Gen *g, Outline *o) {
  for (uint32_t k = 0; k < o->result.n; k++)
    LLVMBuildStore(g->e->b, o->result.at[k], cg_gep_bytes(g->e, o->table, cg_i64(g->e, 4096 + 64 * (o->nplace + k))));
  LLVMBuildRetVoid(g->e->b);
}

static LLVMTypeRef real_type(Gen *g, const Outline *trial) {
  VEC(LLVMTypeRef) arg = {0}, result = {0};
  for (int k = 0; k < 3; k++) *vec_push(&arg) = g->e->ptr;
  for (uint32_t k = 0; k < trial->slot.n; k++)
    for (unsigned j = 0; trial->slot.at[k].kind > SLOT_TABLE && j < trial->slot.at[k].nvalue; j++)
      *vec_push(&arg) = LLVMTypeOf(trial->slot.at[k].value[j]);
  for (uint32_t k = 0; k < trial->result.n; k++) *vec_push(&result) = LLVMTypeOf(trial->result.at[k]);
  LLVMTypeRef r = result.n ? LLVMStructTypeInContext(g->e->ctx, result.at, result.n, 0) : g->e->voidt;
  LLVMTypeRef t = LLVMFunctionType(r, arg.at, arg.n, 0);
  vec_free(&arg);
  vec_free(&result);
  return t;
}

static void take_parameters(Outline *o, const Outline *trial) {
  unsigned at = 3;
  for (uint32_t k = 0; k < trial->slot.n; k++) {
    if (trial->slot.at[k].kind <= SLOT_TABLE) continue;
    Slot *s = vec_push(&o->slot);
    *s = trial->slot.at[k];
    for (unsigned j = 0; j < s->nvalue; j++) s->value[j] = LLVMGetParam(o->fn, at++);
  }
}

/* trial: the outcome of the trial, or NULL to make it. */
static void write_function(Gen *g, Frame *fr, uint32_t group, Outline *o, const Outline *trial) {
  CgEmit *e = g->e;
  LLVMTypeRef arg[3] = {e->ptr, e->ptr, e->ptr};
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
  LLVMValueRef fn = e->fn;
  LLVMModuleRef mod = e->mod;
  uint32_t inlined = g->inlined;
  LLVMTypeRef type = trial ? real_type(g, trial) : LLVMFunctionType(e->voidt, arg, 3, 0);
  e->mod = trial ? mod : g->outlines->trials;
  o->fn = e->fn = cg_function(e, trial ? "group" : "trial", type, true);
  e->mod = mod;
  o->call = LLVMGetParam(o->fn, 0), o->scratch = LLVMGetParam(o->fn, 1), o->table = LLVMGetParam(o->fn, 2);
  if (trial) take_parameters(o, trial);
  LLVMPositionBuilderAtEnd(e->b, cg_block(e, ""));
  LLVMBasicBlockRef body = cg_block(e, "");
  LLVMBuildBr(e->b, body);
  LLVMPositionBuilderAtEnd(e->b, body);
  o->outer = g->scope;
  g->outline = o, g->scope = &gen_outline_scope, g->inlined = 0;
  Frame *own = blank_frame(g, fr);
  gen_group_code(g, own, group);
  each_result(g, own, group, o, NULL);
  if (!trial) store_results(g, o);
  else if (o->result.n) LLVMBuildAggregateRet(e->b, o->result.at, o->result.n);
  else LLVMBuildRetVoid(e->b);
  gen_frame_end(g, own);
  g->outline = NULL, g->scope = o->outer, g->inlined = inlined;
  e->fn = fn;
  LLVMPositionBuilderAtEnd(e->b, here);
}

static uint32_t length(LLVMValueRef fn) {
  uint32_t n = 0;
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) n++;
  return n;
}

/* Longer than what a call costs: straight code hands over its values once for each time that it runs. */
static bool pays(const CgTuning *t, const Group *g, const Outline *trial) {
  uint32_t n = length(trial->fn), handed = trial->result.n;
  for (uint32_t k = 0; k < trial->slot.n; k++) handed += trial->slot.at[k].kind == SLOT_SSA ? trial->slot.at[k].nvalue : 0;
  return n >= t->outline_least && (g->kind != G_TINY || n >= t->outline_straight * handed);
}

/* The function for what the trial does: there already, or written now. */
static LLVMValueRef function_for(Gen *g, Frame *fr, uint32_t group, Kind *kind, const Outline *trial) {
  Outlines *all = g->outlines;
  char *text = LLVMPrintValueToString(trial->fn);
  const char *code = strchr(text, '{');
  uint64_t hash = XXH3_64bits(code, strlen(code));
  for (uint32_t k = 0; k < all->written.n; k++) {
    const Written *w = &all->written.at[k];
    if (w->hash != hash || strcmp(strchr(w->text, '{'), code)) continue;
    LLVMDisposeMessage(text);
    kind->matched = true;
    return w->fn;
  }
  Outline o = {0};
  write_function(g, fr, group, &o, trial);
  vec_free(&o.slot);
  vec_free(&o.result);
  kind->failures++;
  *vec_push(&all->written) = (Written){hash, text, o.fn};
  return o.fn;
}

/* ---- the call ------------------------------------------------------------------------------------------------------ */

static LLVMValueRef table(Gen *g, const Outline *trial) {
  VEC(int64_t) n = {0};
  for (uint32_t k = 0; k < trial->slot.n; k++)
    if (trial->slot.at[k].kind <= SLOT_TABLE) *vec_push(&n) = trial->slot.at[k].n;
  LLVMValueRef t = n.n ? cg_const_ints(g->e, n.at, n.n) : LLVMConstNull(g->e->ptr);
  vec_free(&n);
  return t;
}

static LLVMValueRef slot_value(Gen *g, const Slot *s, unsigned k) {
  LLVMValueRef base, ld;
  if (s->kind == SLOT_SSA) return gen_ssa_get(g, s->fr, s->v, s->n).v[k];
  if (s->kind == SLOT_TURN) return s->fr->turn;
  gen_memory(g, s->fr, s->v, &base, &ld);
  return s->kind == SLOT_LD ? ld : base;
}

static void call(Gen *g, Frame *fr, uint32_t group, const Outline *trial, LLVMValueRef fn) {
  VEC(LLVMValueRef) arg = {0};
  *vec_push(&arg) = g->call;
  *vec_push(&arg) = g->scratch;
  *vec_push(&arg) = table(g, trial);
  for (uint32_t k = 0; k < trial->slot.n; k++) {
    const Slot *s = &trial->slot.at[k];
    for (unsigned j = 0; s->kind > SLOT_TABLE && j < s->nvalue; j++) {
      LLVMValueRef v = slot_value(g, s, j);
      *vec_push(&arg) = v;
    }
  }
  LLVMValueRef got = LLVMBuildCall2(g->e->b, LLVMGlobalGetValueType(fn), fn, arg.at, arg.n, "");
  each_result(g, fr, group, NULL, got);
  vec_free(&arg);
}

bool gen_outlined(Gen *g, Frame *fr, uint32_t group) {
  const Group *gr = fr->p->group.at[group];
  Outline trial = {0};
  if (g->outline || !can_be_called(gr)) return false;
  Kind *kind = kind_of(g->outlines, print_of(fr->p, gr));
  if (kind->groups < 2) return false;
  cg_break_block(g->e);
  write_function(g, fr, group, &trial, NULL);
  bool good = pays(g->tune, gr, &trial);
  if (good) call(g, fr, group, &trial, function_for(g, fr, group, kind, &trial));
  if (!good || (!kind->matched && kind->failures >= g->tune->outline_failures)) kind->groups = 0;
  LLVMDeleteFunction(trial.fn);
  g->e->counted = NULL; /* another block may come to lie where one of its blocks was */
  vec_free(&trial.slot);
  vec_free(&trial.result);
  return good;
}
