/* plot: functions of two variables, whose level lines or map are drawn. They become one function of two
 * coordinates, each a lane. */
#include "frontend/items/plot_priv.h"

#include <stdlib.h>

/* (x, y), ([x], [y]), ([x, y]); of one variable (x), ([x]) */
typedef enum Form { FORM_NONE, FORM_SCALARS, FORM_VECTORS, FORM_POINT, FORM_SCALAR, FORM_VECTOR } Form;

static const char *const form_help[2] = {"it takes two scalars, two real[1], or one real[2]", "it takes a scalar, or a real[1]"};

static bool of_one(const PlotJob *j) { return j->p->kind == PLOT_HISTOGRAM; }

static Actuals coordinates(Elab *E, Form form, Val x, Val y, Span at) {
  Value v[] = {elab_value(E, x), elab_value(E, y)};
  if (form == FORM_VECTORS || form == FORM_VECTOR)
    for (int k = 0; k < 2; k++) v[k] = elab_list(E, &v[k], NULL, 1, at);
  if (form == FORM_POINT) v[0] = elab_list(E, v, NULL, 2, at);
  return actuals_of(E, v, form >= FORM_POINT ? 1 : 2, at);
}

static void begin_grid(PlotJob *j, Root *root, Val xy[2]) {
  Elab *E = j->E;
  root_begin(E, root, arena_printf(E->mem, "%s_grid", j->it->name), E->m->f64, true);
  root->no_draws = "a plot cannot draw";
  xy[0] = ir_input(elab_at(E, j->it->name_at), "x", IN_FIELD, 0, type_scalar(true));
  xy[1] = ir_input(elab_at(E, j->it->name_at), "y", IN_FIELD, 1, type_scalar(true));
}

static bool gives_scalar(Value v) {
  Type t;
  return value_type(v, &t) && t.dt == DT_REAL && (t.rank == 0 || (t.rank == 1 && t.dim[0] == 1));
}

/* Whether the function takes this form: tried aside, silently. */
static bool takes(PlotJob *j, const Func *f, Form form, Span at) {
  Elab *E = j->E;
  Context c;
  Root root;
  Val xy[2];
  bool failed = false;
  context_alone(E, &c, E->main);
  context_body(&c, f->name);
  c.failed = &failed;
  begin_grid(j, &root, xy);
  Actuals a = coordinates(E, form, xy[0], xy[1], at);
  bool good = gives_scalar(elab_apply(E, f, &a)) && !failed;
  root_drop(E, &root);
  context_pop(E, &c);
  return good;
}

static bool of_shape(Type t, uint32_t rank, uint32_t n) { return t.rank == rank && (!rank || t.dim[0] == n); }

static Form declared(PlotJob *j, const Func *f) {
  Type t[64];
  uint32_t n;
  if (!func_types(j->E, f, t, &n)) return FORM_NONE;
  if (of_one(j)) return n != 1 ? FORM_NONE : of_shape(t[0], 0, 0) ? FORM_SCALAR : of_shape(t[0], 1, 1) ? FORM_VECTOR : FORM_NONE;
  if (n == 1) return of_shape(t[0], 1, 2) ? FORM_POINT : FORM_NONE;
  if (n < 2) return FORM_NONE;
  return of_shape(t[0], 0, 0) && of_shape(t[1], 0, 0)   ? FORM_SCALARS
         : of_shape(t[0], 1, 1) && of_shape(t[1], 1, 1) ? FORM_VECTORS
                                                        : FORM_NONE;
}

static const Func *owner(const Func *f) {
  while (f->kind >= F_FIELD && f->kind <= F_NONZEROS) f = f->of[0];
  return f;
}

static Form form_of(PlotJob *j, const Func *f, Span at) {
  const Func *base = owner(f);
  Form form = base->kind == F_USER ? declared(j, base) : FORM_NONE;
  for (Form k = of_one(j) ? FORM_SCALAR : FORM_SCALARS; form == FORM_NONE && k <= (of_one(j) ? FORM_VECTOR : FORM_POINT); k++)
    if (takes(j, f, k, at)) form = k;
  return form;
}

static void axes_of(PlotJob *j, const Func *f, Form form) {
  const Func *base = owner(f);
  if (base->kind != F_USER || of_one(j)) return;
  const Formal *x = base->item->formals;
  for (int k = 0; k < 2 && x; k++) {
    plot_label(j, k, form == FORM_POINT ? arena_printf(j->E->mem, "%s[%d]", x->name, k) : x->name);
    if (form != FORM_POINT) x = x->next;
  }
}

static void grid_function(PlotJob *j, const PlotPart *part, const Val xy[2]) {
  Elab *E = j->E;
  const Func *f = part->v.kind == V_FUNC ? part->v.func : NULL;
  const bool one = of_one(j);
  const char *what = j->p->kind == PLOT_HEAT ? "z"
                     : one                   ? "density"
                                             : "levels",
             *variables = one ? "one variable" : "two variables";
  uint32_t required;
  if (f && f->kind == F_USER && (!f->bound || f->item->kind == IT_DATA)) f = NULL;
  if (f && (f->kind == F_METHOD || f->kind == F_OPTION)) f = NULL;
  if (!f) {
    elab_help(elab_error(E, CODE_plot_curve, part->at, "`%s` needs a function of %s, found %s", what, variables,
                         part->v.kind == V_FUNC ? "a template without its arguments" : value_kind(E, part->v)),
              one ? "write `%s = p`, without arguments; %s" : "write `%s = H`, without arguments; %s", what, form_help[one]);
    j->good = false;
    return;
  }
  Form form = form_of(j, f, part->at);
  if (form == FORM_NONE && owner(f)->kind == F_USER && func_arity(f, &required) != (one ? 1 : 2)) {
    elab_label(elab_error(E, CODE_plot_curve, part->at, "`%s` is not a function of %s", f->name, variables),
               owner(f)->item->name_at, "defined here");
    j->good = false;
    return;
  }
  Actuals a = coordinates(E, form == FORM_NONE ? (one ? FORM_SCALAR : FORM_SCALARS) : form, xy[0], xy[1], part->at);
  Value v = elab_apply(E, f, &a);
  if (v.kind != V_POISON && (form == FORM_NONE || !gives_scalar(v)))
    elab_help(
        elab_error(E, CODE_plot_curve, part->at, "`%s` needs a function that returns a scalar, found %s", what, value_text(E, v)),
        "%s", form_help[one]);
  if (form == FORM_NONE || !gives_scalar(v)) {
    j->good = false;
    return;
  }
  Val out = elab_tensor(E, v, part->at);
  if (elab_type(E, out).rank == 1) out = ir_index(elab_at(E, part->at), out, 0, 0);
  ir_output(elab_at(E, part->at), ir_spread(elab_at(E, part->at), out), arena_printf(E->mem, "f%u", j->p->ngrid));
  j->p->grid_label[j->p->ngrid++] = part->text;
  axes_of(j, f, form);
}

void plot_grid(PlotJob *j, const PlotParts *ps) {
  Elab *E = j->E;
  Root root, *curves = E->now->root;
  Val xy[2];
  Context c;
  context_alone(E, &c, E->main);
  context_body(&c, j->it->name);
  begin_grid(j, &root, xy);
  root_add_uses(&root, curves);
  for (uint32_t i = 0; i < ps->n; i++) grid_function(j, &ps->at[i], xy);
  root_add_uses(curves, &root);
  if (j->good) j->p->grid = root_end(E, &root);
  else root_drop(E, &root);
  context_pop(E, &c);
}
