/* Passes compared with their inputs, exactly, in the finite field (ir/field/field.h): simplify leaves the function
 * what it is; the parts of split make it up again. Functions with derivatives or trajectories still in them, and
 * those that cost too much to evaluate, are passed over. A difference is a fault of the compiler. */
#include "ir/field/field.h"
#include "passes/check/check.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2, MOST_FLOPS = 4000000, MOST_ALWAYS = 100000, MOST_TURNS = 256 };

bool check_wanted(const PassRun *run) { return (run && run->verify_each) || getenv("HNNC_VERIFY_EACH"); }

/* In the field nothing is positive, and a loop that ends when its samples are done may take all its turns. */
static bool ends_late(const Fn *f) {
  for (uint32_t id = 1; id < f->inst.n; id++) {
    const Inst *i = &f->inst.at[id];
    if (i->op == OP_scan && ir_scan_shape(f, i).converge == 2 && ir_scan_shape(f, i).n > MOST_TURNS) return true;
    if (i->sub && ends_late(ir_body(f, i))) return true;
  }
  return false;
}

bool check_affordable(const PassRun *run, const Fn *f) {
  if (!ir_fn_plain(f) || ends_late(f)) return false;
  Flops n = pass_flops(f);
  return n.per_sample + n.once <= (run && run->verify_each ? MOST_FLOPS : MOST_ALWAYS);
}

void check_compare(const PassRun *run, const char *pass, const Fn *a, const Fn *b, const char *title_a, const char *title_b) {
  FieldReport r;
  if (ir_field_equal(a, b, ROUNDS, UINT64_C(0x5eed), &r) != FIELD_DIFFERENT) return;
  fprintf(stderr, "# %s\n", title_a);
  ir_print(stderr, a, run ? run->src : NULL);
  fprintf(stderr, "# %s\n", title_b);
  ir_print(stderr, b, run ? run->src : NULL);
  base_fault("pass `%s`: the functions above are not the same: %s", pass, r.reason);
}

void check_same(PassRun *run, const char *pass, const Fn *before, const Fn *after) {
  if (!check_wanted(run) || !after || !check_affordable(run, before) || !check_affordable(run, after)) return;
  double start = pass_now();
  check_compare(run, pass, before, after, "before", "after");
  pass_timed(run, "check", pass_now() - start);
}

/* ---- split ---- */

Fn *check_inputs(Build *b, const Fn *f, Val *x) {
  Fn *g = ir_fn_create(f->name, f->f64);
  ir_build_init(b, g);
  b->fold = b->number = false;
  for (uint32_t k = 0; k < f->in.n; k++)
    x[k] = ir_input(b, f->in.at[k].name, f->in.at[k].kind, f->in.at[k].index, f->in.at[k].type);
  return g;
}

static Val at(PartRef from, const Val *in, Val *const *got) {
  return from.part == PART_INPUT ? in[from.index] : got[from.part][from.index];
}

void check_split(PassRun *run, const Fn *f, const Split *s) {
  if (!check_wanted(run) || !check_affordable(run, f)) return;
  Val *in = base_realloc(NULL, sizeof *in * (f->in.n + 1)), **got = base_realloc(NULL, sizeof *got * s->n);
  Build b;
  Fn *g = check_inputs(&b, f, in);
  for (uint32_t p = 0; p < s->n; p++) {
    const Fn *part = s->part[p].fn;
    Val *args = base_realloc(NULL, sizeof *args * ((part ? part->in.n : 0) + 1));
    got[p] = base_realloc(NULL, sizeof(Val) * ((part ? part->out.n : 0) + 1));
    for (uint32_t k = 0; part && k < part->in.n; k++) args[k] = at(s->part[p].in[k], in, got);
    if (part) ir_inline(&b, part, args, got[p]);
    base_free(args);
  }
  for (uint32_t k = 0; k < f->out.n; k++)
    ir_output(&b, pass_with_lane(&b, at(s->from[k], in, got), ir_type(f, f->out.at[k]).lane), f->outname.at[k]);
  ir_build_finish(&b);
  check_compare(run, "split", f, g, "the whole", "its parts, put together");
  for (uint32_t p = 0; p < s->n; p++) base_free(got[p]);
  base_free(got);
  base_free(in);
  ir_fn_destroy(g);
}
