/* `hnnc compile FILE --emit=onnx [FUNCTION ...]`: the named functions as the outputs of one file, which have arguments of one name in
 * common; without names each function as a file of its own. */
#include "codegen/onnx/onnx.h"
#include "driver/export/export.h"
#include "driver/functions/functions.h"
#include "driver/run/runner.h"
#include "driver/process/process.h"
#include "driver/session/proofs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* What may be exported: functions of the model, reports, means of losses, and products that were asked for. */
typedef struct Part {
  const char *name, *kind;
  const Fn *fn; /* params, fields (of a loss the weight of a sample) -> results; derivatives still as operators */
  Fn *own;      /* the same, if it is to be freed */
} Part;

typedef struct Parts {
  Session *s;
  Functions all;
  VEC(Part) list;
} Parts;

/* ---- the functions there are ------------------------------------------------------------------------------------ */

static const Part *find(const Parts *p, const char *name) {
  for (uint32_t k = 0; k < p->list.n; k++)
    if (!strcmp(p->list.at[k].name, name)) return &p->list.at[k];
  return NULL;
}

static const char *const *names(const Parts *p) {
  const char **all = ARENA_ARRAY(p->s->model->mem, const char *, p->list.n + 1);
  for (uint32_t k = 0; k < p->list.n; k++) all[k] = p->list.at[k].name;
  return all;
}

/* `fit`, or where another is called so `report_fit`. */
static void add(Parts *p, const char *name, const char *kind, const Fn *fn, Fn *own) {
  while (find(p, name)) name = arena_printf(p->s->model->mem, "%s_%s", kind, name);
  *vec_push(&p->list) = (Part){name, kind, fn ? fn : own, own};
}

/* After the parameters; what is behind them, averages of means over the batch, is none of a gradient. */
static void name_gradients(const Model *m, const Function *x, Fn *f) {
  for (uint32_t k = 0; k < x->nmoved; k++) f->outname.at[1 + k] = arena_strdup(f->mem, m->param[x->moved[k]].path);
  f->out.n = f->outname.n = 1 + x->nmoved;
}

/* Gradients of losses are outputs as others: the mean, then a gradient by each parameter. False after an error. */
static bool add_function(Parts *p, const Function *x) {
  if (x->gradient) {
    Fn *f = pass_gradient(&p->s->passes, x->fn, x->moved, x->nmoved, NULL, p->s->diag);
    if (!f) return false;
    name_gradients(p->s->model, x, f);
    add(p, function_shown(x, p->s->model->mem), "gradient", NULL, f);
  } else if (x->mean) add(p, function_shown(x, p->s->model->mem), "loss", x->fn, NULL);
  else add(p, x->name, x->kind, x->plain ? x->plain : x->fn, NULL);
  return true;
}

static bool add_all(Parts *p) {
  functions_add_own(p->s, &p->all);
  if (!functions_add_products(p->s, &p->all)) return false;
  functions_add_losses(p->s, &p->all);
  for (uint32_t k = 0; k < p->all.list.n; k++)
    if (!add_function(p, p->all.list.at[k])) return false;
  return true;
}

static const Part *wanted(const Parts *p, const char *name) {
  const Part *f = find(p, name);
  if (f) return f;
  const char *near = diag_nearest(name, names(p), p->list.n), *all = "";
  for (uint32_t k = 0; k < p->list.n; k++) all = arena_printf(p->s->model->mem, "%s%s`%s`", all, k ? ", " : "", p->list.at[k].name);
  for (uint32_t k = 0; k < p->s->model->nleft_out; k++) {
    const LeftOut *l = &p->s->model->left_out[k];
    if (!strcmp(l->name, name)) return diag_add(p->s->diag, CODE_onnx, (Span){0}, "%s `%s`: %s", l->kind, name, l->why), NULL;
  }
  diag_add(p->s->diag, CODE_onnx, (Span){0}, "there is no function `%s`%s%s%s; there are: %s", name, near ? ", did you mean `" : "",
           near ? near : "", near ? "`?" : "", *all ? all : "none whose argument types are known");
  return NULL;
}

/* ---- several functions as one --------------------------------------------------------------------------------------- */

typedef struct Joined {
  Parts *parts;
  Build b;
  VEC(Val) in; /* by number of an input of the one */
} Joined;

/* The input of the one that is input k of f: arguments by their names, parameters by their numbers. None after an error. */
static Val input(Joined *j, const Part *part, uint32_t k) {
  const Input *x = &part->fn->in.at[k];
  Fn *f = j->b.f;
  for (uint32_t i = 0; i < f->in.n; i++) {
    const Input *y = &f->in.at[i];
    if (x->kind != y->kind || (x->kind == IN_FIELD ? strcmp(x->name, y->name) != 0 : x->index != y->index)) continue;
    if (type_eq(x->type, y->type)) return j->in.at[i];
    char a[64], b[64];
    diag_add(j->parts->s->diag, CODE_onnx, (Span){0},
             "the argument `%s` is %s in `%s` and %s in functions before it: functions in one file share their arguments", x->name,
             type_user(x->type, a, sizeof a), part->name, type_user(y->type, b, sizeof b));
    return VAL_NONE;
  }
  const uint32_t index = x->kind == IN_FIELD ? f->in.n : x->index;
  return *vec_push(&j->in) = ir_input(&j->b, x->name, x->kind, index, x->type);
}

static const char *output(const Joined *j, const Part *part, uint32_t k) {
  Arena *mem = j->b.f->mem;
  const char *own = part->fn->outname.at[k], *name = part->name;
  if (part->fn->out.n > 1)
    name = own ? arena_printf(mem, "%s.%s", part->name, own) : arena_printf(mem, "%s.%" PRIu32, part->name, k);
  for (uint32_t i = 0; i < j->b.f->in.n; i++)
    if (j->b.f->in.at[i].kind == IN_FIELD && !strcmp(j->b.f->in.at[i].name, name))
      name = arena_printf(mem, "%s_out", name), i = UINT32_MAX;
  return name;
}

/* NULL after an error. */
static Fn *join(Parts *p, uint32_t n, const Part *const *part, const char *name) {
  Joined j = {.parts = p};
  Val **out = ARENA_ARRAY(p->s->model->mem, Val *, n);
  ir_build_init(&j.b, ir_fn_create(name, p->s->model->f64 ? FN_F64 : FN_F32));
  j.b.fold = j.b.number = false;
  bool ok = true;
  for (uint32_t i = 0; ok && i < n; i++) {
    const Fn *f = part[i]->fn;
    Val *args = ARENA_ARRAY(p->s->model->mem, Val, f->in.n + 1);
    out[i] = ARENA_ARRAY(p->s->model->mem, Val, f->out.n + 1);
    for (uint32_t k = 0; ok && k < f->in.n; k++) args[k] = input(&j, part[i], k), ok = args[k].id != 0;
    if (ok) ir_inline(&j.b, f, args, out[i]);
  }
  for (uint32_t i = 0; ok && i < n; i++)
    for (uint32_t k = 0; k < part[i]->fn->out.n; k++) ir_output(&j.b, out[i][k], output(&j, part[i], k));
  vec_free(&j.in);
  Fn *f = j.b.f;
  ir_build_finish(&j.b);
  if (!ok) ir_fn_destroy(f);
  return ok ? f : NULL;
}

/* ---- one file ------------------------------------------------------------------------------------------------------------ */

static bool lacks(Op op, bool f64) { return onnx_lacks(op, f64); }

/* Lowered, of operators that ONNX has; NULL after an error, or, with `why`, where there is no way: the reason and the place. */
static Fn *lower(Parts *p, uint32_t n, const Part *const *part, const char *name, const char **why, Span *at) {
  Session *s = p->s;
  s->passes.loops = true; /* there is no stepper */
  Fn *one = join(p, n, part, name), *whole = one ? pass_lower(&s->passes, one, MEMORY_STORED, NULL, s->diag) : NULL;
  s->passes.loops = false;
  *why = whole ? onnx_refused(whole, at) : NULL;
  Fn *out = whole && !*why ? pass_without(&s->passes, whole, lacks) : NULL;
  ir_fn_destroy(one);
  ir_fn_destroy(whole);
  return out;
}

static void entries(Session *s, OnnxModel *m, const char *functions) {
  const Model *model = s->model;
  OnnxEntry *e = ARENA_ARRAY(model->mem, OnnxEntry, model->nproof + 4);
  char *hash = arena_alloc(model->mem, 40);
  runner_hash(s->src, s->opt, hash);
  m->entry = e;
  e[m->nentry++] = (OnnxEntry){"hnnc.source", model->path};
  e[m->nentry++] = (OnnxEntry){"hnnc.hash", hash};
  e[m->nentry++] = (OnnxEntry){"hnnc.functions", functions};
  if (s->opt->params) e[m->nentry++] = (OnnxEntry){"hnnc.params", s->opt->params};
  for (uint32_t k = 0; k < model->nproof; k++) {
    const Proof *proof = &model->proof[k];
    e[m->nentry++] = (OnnxEntry){
      arena_printf(model->mem, "hnnc.proof.%" PRIu32, k),
      arena_printf(model->mem, "%s: %s%s%s", proof->text, answer_text[proof->answer], *proof->detail ? ", " : "", proof->detail)};
  }
}

static int cannot_write(Session *s, const char *path) {
  return session_fail(s, EXIT_IO, CODE_output, (Span){0}, "cannot write `%s`: %s", path, strerror(errno));
}

static int write_model(Parts *p, const Fn *f, const char *functions, const char *path) {
  Session *s = p->s;
  const void **param = ARENA_ARRAY(s->model->mem, const void *, s->model->nparam + 1);
  for (uint32_t k = 0; k < s->model->nparam; k++) param[k] = s->param[k].v;
  OnnxModel m = {.fn = f, .name = s->model->name, .version = HNNC_VERSION, .param = param, .src = s->src};
  entries(s, &m, functions);
  OutFile o;
  FILE *out = out_open(&o, path);
  if (!out) return cannot_write(s, path);
  const size_t size = onnx_write(out, &m, s->diag);
  if (!out_end(&o, size) && size) return cannot_write(s, path);
  if (!size) return session_render(s), EXIT_FILE;
  if (!s->opt->quiet) printf("  %s (%zu bytes): %s\n", path, size, functions);
  return 0;
}

/* In one file; *left: why it is left out, where that is no error. */
static int write_parts(Parts *p, uint32_t n, const Part *const *part, const char *path, const char **left) {
  Session *s = p->s;
  const char *functions = "", *why;
  Span at = {0};
  for (uint32_t k = 0; k < n; k++)
    functions = arena_printf(s->model->mem, "%s%s%s `%s`", functions, k ? ", " : "", part[k]->kind, part[k]->name);
  Fn *f = lower(p, n, part, s->model->name, &why, &at);
  char place[512];
  if (why && left) return *left = arena_printf(s->model->mem, "%s (%s)", why, source_where(s->src, at, place, sizeof place)), 0;
  if (why) return session_fail(s, EXIT_FILE, CODE_onnx, at, "%s cannot be exported to ONNX: %s", functions, why);
  const int code = f ? write_model(p, f, functions, path) : (session_render(s), EXIT_FILE);
  ir_fn_destroy(f);
  return code;
}

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

static bool ends(const char *path, const char *with) {
  const size_t n = strlen(path), k = strlen(with);
  return n > k && !strcmp(path + n - k, with);
}

/* --out or FILE without `.onnx`, `.hnn`; a folder: the model's name in it. */
static const char *base_path(const Session *s) {
  Arena *mem = s->model->mem;
  const char *path = s->opt->out ? s->opt->out : s->model->path;
  struct stat st;
  if (!strcmp(path, SOURCE_STDIN)) return s->model->name;
  if (s->opt->out && (ends(path, "/") || (!stat(path, &st) && S_ISDIR(st.st_mode))))
    return arena_printf(mem, "%s%s%s", path, ends(path, "/") ? "" : "/", s->model->name);
  const char *end = ends(path, ".onnx") ? ".onnx" : ends(path, ".hnn") ? ".hnn" : "";
  return arena_strndup(mem, path, strlen(path) - strlen(end));
}

static int named(Parts *p, const char *base) {
  const Options *o = p->s->opt;
  const Part **part = ARENA_ARRAY(p->s->model->mem, const Part *, o->more.n);
  for (uint32_t k = 0; k < o->more.n; k++) {
    if (!(part[k] = wanted(p, o->more.at[k]))) return session_render(p->s), EXIT_FILE;
    for (uint32_t i = 0; i < k; i++)
      if (part[i] == part[k])
        return session_fail(p->s, EXIT_FILE, CODE_onnx, (Span){0}, "the function `%s` is named twice", part[k]->name);
  }
  return write_parts(p, o->more.n, part, arena_printf(p->s->model->mem, "%s.onnx", base), NULL);
}

static int every(Parts *p, const char *base) {
  Session *s = p->s;
  Arena *mem = s->model->mem;
  const char **left = ARENA_ARRAY(mem, const char *, p->list.n + 1);
  uint32_t made = 0;
  if (s->opt->out && ends(s->opt->out, ".onnx") && p->list.n > 1)
    return session_fail(s, EXIT_FILE, CODE_onnx, (Span){0},
                        "-o names one file: list its functions, as in `--emit=onnx %s`; without a list, -o names a directory, with "
                        "a file for each function",
                        p->list.at[0].name);
  int code = 0;
  for (uint32_t k = 0; !code && k < p->list.n; k++) {
    const Part *part = &p->list.at[k];
    code = write_parts(p, 1, &part, arena_printf(mem, "%s.%s.onnx", base, part->name), &left[k]);
    made += !code && !left[k];
  }
  for (uint32_t k = 0; !code && !s->opt->quiet && k < p->list.n; k++)
    if (left[k]) printf("  left out: %s `%s`: %s\n", p->list.at[k].kind, p->list.at[k].name, left[k]);
  for (uint32_t k = 0; !code && !s->opt->quiet && k < s->model->nleft_out; k++)
    printf("  left out: %s `%s`: %s\n", s->model->left_out[k].kind, s->model->left_out[k].name, s->model->left_out[k].why);
  if (code || made) return code;
  return session_fail(s, EXIT_FILE, CODE_onnx, (Span){0}, "no function of `%s` can be exported to ONNX", s->model->path);
}

int export_onnx(Session *s) {
  if (proofs_refuted(s)) return session_render(s), EXIT_FILE;
  Parts p = {.s = s};
  const char *base = base_path(s);
  if (s->opt->out) out_folders(base);
  int code = 0;
  if (!add_all(&p)) session_render(s), code = EXIT_FILE;
  if (!code) code = s->opt->more.n ? named(&p, base) : every(&p, base);
  for (uint32_t k = 0; k < p.list.n; k++) ir_fn_destroy(p.list.at[k].own);
  vec_free(&p.list);
  functions_finish(&p.all);
  return code;
}
