/* Plans as text: one loop nest a paragraph, what it computes, what it leaves behind. */
#include "codegen/plan/plan.h"

#include <string.h>

const char *const plan_group_name[] = {"straight", "loop", "product", "dot",  "weight gradient",
                                       "concat",   "put",  "scatter", "lu",   "solve",
                                       "cholesky", "eigh", "rand",    "scan", "ode"};
static const char *const root_name[] = {"store", "reduce", "reduce dot", "batch sum", "lanes dot", "store, with zeros around,"};
static const char *const section_name[] = {"once", "for each tile", "after the tiles"}, each_sample[] = "for each sample";

static const char *home_text(const Plan *p, const PVal *q, char *buf, size_t size) {
  switch (q->home) {
  case HOME_SCRATCH: snprintf(buf, size, "scratch+%lld", (long long)q->off); break;
  case HOME_OUT: snprintf(buf, size, "out %u", q->homeidx); break;
  case HOME_YS: snprintf(buf, size, "ys %u", q->homeidx); break;
  case HOME_NEXT: snprintf(buf, size, "carry %u%s", q->homeidx, p->carry_regs[q->homeidx] ? ", in registers" : ""); break;
  case HOME_CARRY: snprintf(buf, size, "carry"); break;
  default: snprintf(buf, size, "registers");
  }
  return buf;
}

typedef struct Printer {
  FILE *out;
  const Source *src;
  const CgNote *note;
} Printer;

static void note(const Printer *to, const Plan *p, Val v) {
  if (to->note) to->note->line(to->note->ctx, to->out, ir_inst(p->f, v));
}

static void print_value(const Printer *to, const Plan *p, Val v, int indent) {
  char type[64], where[128];
  FILE *out = to->out;
  const Inst *i = ir_inst(p->f, v);
  note(to, p, v);
  fprintf(out, "%*s%%%u = %s", indent, "", v.id, ir_op[i->op].name);
  for (uint32_t k = 0; k < i->nargs; k++) fprintf(out, "%s%%%u", k ? ", " : " ", ir_arg(p->f, i, k).id);
  fprintf(out, " : %s", type_text(i->type, p->f->f64, type, sizeof type));
  if (to->src && i->at.file) fprintf(out, "  # %s", source_where(to->src, i->at, where, sizeof where));
  fputc('\n', out);
}

static void print_plan(const Printer *to, const Plan *p, int indent);

static void note_places(const Printer *to, const Plan *p) {
  for (uint32_t v = 1; to->note && to->note->place && v < p->f->inst.n; v++) {
    const PVal *q = &p->val[v];
    const CgScratch place = {q->off, q->bytes, q->t0, q->t1};
    if (p->live[v] && q->home == HOME_SCRATCH && q->bytes) to->note->place(to->note->ctx, to->out, &p->f->inst.at[v], &place);
  }
}

static void print_cuts(FILE *out, const Plan *p, uint32_t k, const PlanCuts *cuts) {
  PlanSweep s;
  bool sweeps = plan_sweep(p, k, &s);
  plan_sweep_free(&s);
  if (sweeps) fprintf(out, ", a sweep of %lld", (long long)s.n);
  if (sweeps && s.lo < s.hi) fprintf(out, ", %lld ... %lld in a loop", (long long)s.lo, (long long)s.hi - 1);
  if (sweeps) return;
  if (cuts->n) fprintf(out, ", cut at");
  for (int c = 0; c < cuts->n; c++) fprintf(out, " %lld", (long long)cuts->at[c]);
}

static void print_group(const Printer *to, const Plan *p, uint32_t k, int indent) {
  FILE *out = to->out;
  const Group *g = p->group.at[k];
  char home[64];
  PlanCuts cuts = {0};
  bool rooted = g->kind == G_LOOP || g->kind == G_GEMM || g->kind == G_DOT;
  if (rooted && !g->root.n && !(g->gemv && p->val[g->main.id].cls == PC_SSA)) return;
  if (to->note && to->note->nest) to->note->nest(to->note->ctx, out, g->t0);
  fprintf(out, "%*s%s", indent, "", plan_group_name[g->kind]);
  if (plan_turned(g)) fprintf(out, ", turns are lanes");
  if (g->rank) {
    fprintf(out, " [");
    for (uint32_t d = 0; d < g->rank; d++) fprintf(out, "%s%u", d ? "," : "", g->dim[d]);
    fprintf(out, "]%s", g->lane && !p->form.single ? " x lanes" : plan_wide(p, k, &cuts) ? " by vectors" : "");
    print_cuts(out, p, k, &cuts);
  }
  if (g->refill) fprintf(out, ", lanes refilled from %u tiles", g->refill);
  fputc('\n', out);
  if (g->main.id) print_value(to, p, g->main, indent + 2);
  for (uint32_t m = 0; m < g->member.n; m++) print_value(to, p, g->member.at[m], indent + 2);
  for (uint32_t r = 0; r < g->root.n; r++) {
    note(to, p, g->root.at[r].v);
    fprintf(out, "%*s%s %%%u -> %s\n", indent + 2, "", root_name[g->root.at[r].kind], g->root.at[r].v.id,
            home_text(p, &p->val[g->root.at[r].v.id], home, sizeof home));
  }
  if (g->body) print_plan(to, g->body, indent + 4);
}

static void print_plan(const Printer *to, const Plan *p, int indent) {
  note_places(to, p);
  for (int s = 0; s < SEC_count; s++) {
    bool any = false;
    for (uint32_t k = 1; k < p->group.n; k++) {
      if (p->group.at[k]->section != s) continue;
      if (!any && !p->up) fprintf(to->out, "%*s%s:\n", indent, "", s == SEC_TILE && p->form.single ? each_sample : section_name[s]);
      any = true;
      print_group(to, p, k, indent + 2);
    }
  }
}

void plan_print(FILE *out, const Plan *p, const char *symbol, const Source *src, const CgNote *note) {
  const Printer to = {out, src, note};
  char tile[64];
  snprintf(tile, sizeof tile, p->form.single && p->lane ? "one sample, lanes are elements" : "tile %u", p->lane ? p->form.tile : 0);
  fprintf(out, "kernel %s: %s, %s, scratch %lld bytes, %lld flop a sample, %lld a call\n", symbol, p->f->f64 ? "f64" : "f32", tile,
          (long long)p->scratch, (long long)p->flop_tile, (long long)p->flop_once);
  print_plan(&to, p, 0);
}
