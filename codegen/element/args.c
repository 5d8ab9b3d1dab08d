/* Arguments of the function, and what else its code finds where it stands: in scratch, in registers, in tables. */
#include "codegen/element/element.h"

LLVMValueRef gen_member(Gen *g, LLVMValueRef p, LLVMTypeRef t, size_t bytes) {
  return LLVMBuildLoad2(g->e->b, t, cg_gep_bytes(g->e, p, cg_i64(g->e, (int64_t)bytes)), "");
}

LLVMValueRef gen_shared_array(Gen *g, size_t field, uint32_t k) {
  return gen_member(g, gen_member(g, g->call, g->e->ptr, field), g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p));
}

LLVMValueRef gen_tile_start(Gen *g, LLVMValueRef p, Type t) {
  if (!t.lane) return p;
  LLVMValueRef first = cg_imul(g->e, g->tile, cg_i64(g->e, g->unit));
  return t.dt == DT_BOOL ? cg_gep_bytes(g->e, p, first) : cg_gep(g->e, p, first);
}

bool gen_buffered(Gen *g, const Plan *p, bool in, uint32_t k, LLVMValueRef *base, LLVMValueRef *ld) {
  int64_t buf = in ? p->in_buf[k] : p->out_buf[k];
  if (buf < 0) return false;
  *base = gen_scratch(g, buf), *ld = cg_i64(g->e, 1);
  return true;
}

/* ---- the scope of a function ------------------------------------------------------------------------------------------ */

LLVMBasicBlockRef gen_to_entry(Gen *g) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->e->b);
  LLVMPositionBuilderBefore(g->e->b, LLVMGetBasicBlockTerminator(LLVMGetEntryBasicBlock(g->fn)));
  return here;
}

void gen_argument(Gen *g, const Plan *p, bool in, uint32_t k, Type t, LLVMValueRef *base, LLVMValueRef *ld) {
  size_t field = in ? offsetof(HnnCall, in) : offsetof(HnnCall, out);
  if (gen_buffered(g, p, in, k, base, ld)) return;
  LLVMValueRef at = gen_member(g, g->call, g->e->ptr, field);
  *ld = gen_member(g, at, g->e->i64, k * sizeof(HnnArg) + offsetof(HnnArg, ld));
  *base = gen_tile_start(g, gen_member(g, at, g->e->ptr, k * sizeof(HnnArg) + offsetof(HnnArg, p)), t);
}

void gen_function_find(Gen *g, Frame *fr, Val v) {
  const PVal *q = &fr->p->val[v.id];
  const Inst *i = ir_inst(fr->p->f, v);
  if (fr->p->up || (q->cls != PC_IN && q->home != HOME_OUT)) return;
  LLVMBasicBlockRef here = gen_to_entry(g);
  uint32_t k = q->cls == PC_IN ? ir_number(fr->p->f, i) : q->homeidx;
  gen_argument(g, fr->p, q->cls == PC_IN, k, i->type, &fr->base[v.id], &fr->ld[v.id]);
  LLVMPositionBuilderAtEnd(g->e->b, here);
}

LLVMValueRef gen_function_scratch(Gen *g, int64_t off) { return cg_gep_bytes(g->e, g->scratch, cg_i64(g->e, off)); }

void gen_function_memory(Gen *g, Frame *fr, Val v, LLVMValueRef *base, LLVMValueRef *ld) {
  const PVal *q = &fr->p->val[v.id];
  if (q->cls == PC_TABLE && !fr->base[v.id]) {
    const Table *t = &fr->p->f->table.at[ir_table_attr(fr->p->f, ir_inst(fr->p->f, v)).table];
    fr->base[v.id] = cg_const_array(g->e, t->v, (size_t)type_count(t->type));
  }
  if (!fr->base[v.id]) g->scope->find(g, fr, v);
  *ld = fr->ld[v.id] ? fr->ld[v.id] : gen_tile_ld(g);
  if (fr->base[v.id]) *base = fr->base[v.id];
  else if (q->home == HOME_SCRATCH) *base = gen_scratch(g, q->off);
  else base_fault("codegen: value %%%u has no memory", v.id);
}

CgVec gen_function_tiny(Gen *g, Frame *fr, Val v, int64_t element) {
  (void)g, (void)fr, (void)element;
  base_fault("codegen: %%%u is read before it is computed", v.id);
}

static bool nowhere_else(const Gen *g, const Frame *fr, Val v) {
  (void)g, (void)fr, (void)v;
  return false;
}

const Scope gen_function_scope = {.scratch = gen_function_scratch,
                                  .memory = gen_function_memory,
                                  .find = gen_function_find,
                                  .tiny = gen_function_tiny,
                                  .elsewhere = nowhere_else};
