/* A long tile in pieces: functions of (call, tile) that run some groups each (plan_store.c cuts). What one leaves to
 * another is in memory: scratch, or the caller's arrays, whose pointers a piece loads as it needs them. */
#include "codegen/gen/gen_priv.h"

#include <string.h>

/* The buffer that the last turn of a loop in an earlier piece wrote (gen_scan.c). */
static LLVMValueRef carry_memory(Gen *g, Frame *fr, Val v) {
  const Plan *p = fr->p;
  const Inst *i = ir_inst(p->f, v), *loop = ir_inst(p->f, ir_arg(p->f, i, 0));
  int64_t n = type_count(i->type) * (i->type.dt == DT_BOOL ? 1 : g->e->es) * (i->type.lane ? g->e->tile : 1);
  const Plan *body = p->group.at[p->val[v.id].group]->body;
  bool odd = ir_scan_shape(p->f, loop).n % 2 && !ir_scan_shape(p->f, loop).converge && !body->carry_one[ir_number(p->f, i)];
  int64_t at = body->carry_buf[ir_number(p->f, i)];
  return gen_scratch(g, at + (odd ? plan_round_up(n, g->tune->align) : 0));
}

static void find(Gen *g, Frame *fr, Val v) {
  const PVal *q = &fr->p->val[v.id];
  if (fr->p->up || q->home != HOME_CARRY || q->cls == PC_IN) {
    gen_function_find(g, fr, v);
    return;
  }
  LLVMBasicBlockRef here = gen_to_entry(g);
  fr->base[v.id] = carry_memory(g, fr, v);
  LLVMPositionBuilderAtEnd(g->e->b, here);
}

static bool elsewhere(const Gen *g, const Frame *fr, Val v) {
  (void)g;
  return !fr->up && fr->p->val[v.id].stored && !fr->ssa[v.id];
}

const Scope gen_piece_scope = {.scratch = gen_function_scratch,
                               .memory = gen_function_memory,
                               .find = find,
                               .tiny = gen_function_tiny,
                               .elsewhere = elsewhere,
                               .hands_on = true};

/* Nothing is known of values but where tables are. */
static void forget(Gen *g, Frame *fr) {
  for (uint32_t v = 1; v < fr->p->f->inst.n; v++) {
    fr->ssa[v] = NULL;
    if (fr->p->val[v].cls != PC_TABLE) fr->base[v] = fr->ld[v] = NULL;
  }
  gen_forget(g);
}

static void copies(Gen *g, Frame *fr) {
  const Plan *p = fr->p;
  for (uint32_t k = 0; k < p->copy.n; k++) {
    const Copy *c = &p->copy.at[k];
    Type t = ir_type(p->f, c->v);
    LLVMValueRef base, ld;
    if (p->val[c->v.id].section != SEC_TILE) continue;
    LLVMBasicBlockRef here = gen_to_entry(g);
    gen_argument(g, p, false, c->k, t, &base, &ld);
    LLVMPositionBuilderAtEnd(g->e->b, here);
    gen_forget(g);
    gen_copy(g, fr, c->v, t, base, ld, false);
  }
}

/* Piece n, counted from 1; the last one copies results to where they are wanted. */
static void piece(Gen *g, Frame *fr, uint32_t n, bool last) {
  const Plan *p = fr->p;
  LLVMPositionBuilderAtEnd(g->e->b, cg_block(g->e, ""));
  g->call = LLVMGetParam(g->fn, 0), g->tile = LLVMGetParam(g->fn, 1);
  g->scratch = gen_member(g, g->call, g->e->ptr, offsetof(HnnCall, scratch));
  LLVMBasicBlockRef body = cg_block(g->e, "");
  LLVMBuildBr(g->e->b, body);
  LLVMPositionBuilderAtEnd(g->e->b, body);
  forget(g, fr);
  for (uint32_t k = 1; k < p->group.n; k++)
    if (p->group.at[k]->section == SEC_TILE && plan_piece(p, p->group.at[k]->t0) == n) gen_group(g, fr, k);
  if (last) copies(g, fr);
  LLVMBuildRetVoid(g->e->b);
}

/* ---- shares -------------------------------------------------------------------------------------------------- */

/* By piece: the share that it is written in. The heaviest goes first, each to the share that has least so far. */
static uint32_t *share_out(const Gen *g, const Plan *p) {
  uint32_t *share = ARENA_ARRAY(g->mem, uint32_t, p->ncut + 1), *has = ARENA_ARRAY(g->mem, uint32_t, g->shares + 1);
  bool *given = ARENA_ARRAY(g->mem, bool, p->ncut + 1);
  memset(has, 0, sizeof *has * g->shares);
  memset(given, 0, sizeof *given * (p->ncut + 1));
  for (uint32_t turn = 1; turn <= p->ncut; turn++) {
    uint32_t next = 0, least = 0;
    for (uint32_t n = 1; n <= p->ncut; n++)
      if (!given[n] && (!next || plan_piece_weight(p, n) > plan_piece_weight(p, next))) next = n;
    for (uint32_t s = 1; s < g->shares; s++)
      if (has[s] < has[least]) least = s;
    given[next] = true, share[next] = least, has[least] += plan_piece_weight(p, next);
  }
  return share;
}

/* Writes those of this share, and with `here` calls of all at the end of that block. */
static void write_pieces(Gen *g, const Plan *p, const char *symbol, LLVMBasicBlockRef here) {
  CgEmit *e = g->e;
  LLVMTypeRef arg[2] = {e->ptr, e->i64}, type = LLVMFunctionType(e->voidt, arg, 2, 0);
  Frame *fr = gen_frame(g, p, NULL);
  const uint32_t *share = share_out(g, p);
  const Gen main = *g;
  g->scope = &gen_piece_scope;
  for (uint32_t n = 1; n <= p->ncut; n++) {
    char name[512];
    const bool own = share[n] == g->share, others = share[n] > 0;
    if (!own && !here) continue;
    snprintf(name, sizeof name, "%s.piece%u", symbol, n);
    LLVMValueRef part = g->fn = e->fn = cg_function(e, name, type, !others);
    if (others) LLVMSetVisibility(part, LLVMHiddenVisibility);
    if (own) piece(g, fr, n, n == p->ncut);
    e->fn = main.fn;
    if (!here) continue;
    LLVMPositionBuilderAtEnd(e->b, here);
    LLVMBuildCall2(e->b, type, part, (LLVMValueRef[]){main.call, main.tile}, 2, "");
  }
  g->fn = main.fn, g->scope = main.scope;
  g->call = main.call, g->tile = main.tile, g->scratch = main.scratch;
  gen_forget(g);
}

void gen_piece_calls(Gen *g, const Plan *p, const char *symbol) { write_pieces(g, p, symbol, LLVMGetInsertBlock(g->e->b)); }
void gen_pieces(Gen *g, const Plan *p, const char *symbol) { write_pieces(g, p, symbol, NULL); }
