#include "tests/common/claims_util.h"
#include "tests/common/random_fn.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers and text ------------------------------------------------------------------------------ */

uint64_t rng_bits(Rng *r) { return random_bits(&r->state); }
uint32_t rng_below(Rng *r, uint32_t n) { return (uint32_t)((rng_bits(r) >> 32) * n >> 32); }
double rng_unit(Rng *r) { return (double)(rng_bits(r) >> 11) * 0x1p-53; }

void text_add(Text *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(t->at + t->n, sizeof t->at - t->n, fmt, ap);
  va_end(ap);
  if (n < 0 || t->n + (size_t)n >= sizeof t->at) abort();
  t->n += (size_t)n;
}

/* ---- models -------------------------------------------------------------------------------------------------- */

static FieldAnswer decide(void *ctx, const Fn *a, const Fn *b, FieldReport *r) {
  (void)ctx;
  return pass_decide(NULL, a, b, r);
}

static FieldAnswer decide_lenient(void *ctx, const Fn *a, const Fn *b, FieldReport *r) {
  FieldAnswer answer = decide(ctx, a, b, r);
  return answer == FIELD_DIFFERENT ? FIELD_UNDECIDED : answer;
}

FrontOptions claims_options(Diag *diag, bool lenient) {
  return (FrontOptions){.decide = lenient ? decide_lenient : decide, .ctx = diag};
}

Loaded claims_load(const char *text, bool lenient) {
  Loaded l = {.src = source_create()};
  l.diag = diag_create(l.src);
  FrontOptions o = claims_options(l.diag, lenient);
  l.m = model_load_text(l.src, "test.hnn", text, strlen(text), &o, l.diag);
  return l;
}

void claims_unload(Loaded *l) {
  model_destroy(l->m);
  diag_destroy(l->diag);
  source_destroy(l->src);
}

char *claims_messages(const Loaded *l) {
  char *text = NULL;
  size_t n = 0;
  FILE *out = open_memstream(&text, &n);
  diag_render(l->diag, out, false);
  if (fclose(out) != 0) abort();
  return text;
}

const Proof *claims_proof(const Model *m, const char *text) {
  for (uint32_t i = 0; i < m->nproof; i++)
    if (!strcmp(m->proof[i].text, text)) return &m->proof[i];
  return NULL;
}

/* ---- functions of a model -------------------------------------------------------------------------------- */

Fn *claims_fn(const Model *m, const char *name) {
  for (uint32_t i = 0; i < m->nexport; i++) {
    if (strcmp(m->export_[i].name, name) != 0) continue;
    Diag *diag = diag_create(NULL);
    Fn *f = pass_derive(NULL, m->export_[i].fn, diag);
    diag_destroy(diag);
    return f;
  }
  return NULL;
}

/* Ranges that differ by sample: relations hold everywhere, or not. */
static double argument(Rng *r, int sample) {
  static const double range[POINTS] = {0.2, 0.5, 1, 1, 1, 1.5, 2, 3};
  return range[sample] * (2 * rng_unit(r) - 1);
}

void claims_arguments(const Fn *f, uint64_t seed, Nudge nudge, Tensor *in) {
  for (uint32_t k = 0; k < f->in.n; k++) {
    const Input *x = &f->in.at[k];
    bool param = x->kind == IN_PARAM;
    int64_t n = type_count(x->type);
    Rng r = {seed * 1000003 + x->index * 2 + param};
    in[k] = (Tensor){x->type, base_realloc(NULL, sizeof(double) * (size_t)(n * POINTS + 1))};
    if (!in[k].v) abort();
    for (int64_t e = 0; e < n; e++)
      for (int s = 0; s < (x->type.lane ? POINTS : 1); s++)
        in[k].v[x->type.lane ? e * POINTS + s : e] = param ? 1.4 * rng_unit(&r) - 0.7 : argument(&r, s);
    if (param && nudge.param == (int64_t)x->index) in[k].v[nudge.element] += nudge.h;
  }
}

static bool watch(void *ctx, const Fn *f, Val v, const Tensor *x, const Tensor *const *args) {
  (void)args;
  Values *values = ctx;
  (void)f, (void)v;
  if (x->type.dt != DT_REAL || !x->v) return true;
  for (int64_t e = 0; e < type_count(x->type); e++)
    for (int s = 0; s < POINTS; s++) {
      double size = fabs(claims_value(x, e, s));
      if (size > values->largest[s]) values->largest[s] = size;
    }
  return true;
}

bool claims_eval_at(const Fn *f, uint64_t seed, Nudge nudge, Values *out) {
  char err[160];
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1));
  *out = (Values){.out = base_realloc(NULL, sizeof(Tensor) * (f->out.n + 1))};
  EvalEnv env = {.watch = watch, .ctx = out};
  if (!in || !out->out) abort();
  claims_arguments(f, seed, nudge, in);
  if (ir_eval(f, POINTS, in, out->out, &env, err, sizeof err)) out->n = f->out.n;
  ir_tensors_free(in, f->in.n);
  base_free(in);
  return out->n > 0;
}

bool claims_eval(const Fn *f, uint64_t seed, Values *out) { return claims_eval_at(f, seed, (Nudge){.param = -1}, out); }

void claims_values_free(Values *v) {
  ir_tensors_free(v->out, v->n);
  base_free(v->out);
  *v = (Values){0};
}

double claims_value(const Tensor *t, int64_t element, int sample) {
  return t->v[t->type.lane ? element * POINTS + sample : element];
}

double claims_away(const Fn *f, const Values *v, uint64_t seed, int s) {
  Tensor *in = base_realloc(NULL, sizeof *in * (f->in.n + 1));
  double most = 0;
  uint32_t k = 0;
  claims_arguments(f, seed, (Nudge){.param = -1}, in);
  for (uint32_t i = 0; i < f->in.n; i++) {
    if (f->in.at[i].kind != IN_FIELD) continue;
    const Tensor *out = &v->out[k++];
    for (int64_t e = 0; e < type_count(in[i].type); e++) {
      double d = fabs(claims_value(out, e, s) - claims_value(&in[i], e, s));
      most = isnan(d) || isnan(most) ? NAN : fmax(most, d);
    }
  }
  ir_tensors_free(in, f->in.n);
  base_free(in);
  return most;
}

/* ---- defects -------------------------------------------------------------------------------------------------- */

double jacobian_size(const Tensor *j, int sample) {
  double most = 0;
  for (int64_t e = 0; e < type_count(j->type); e++) {
    double v = fabs(claims_value(j, e, sample));
    if (!(v <= most)) most = v; /* NaN stays */
    if (isnan(most)) return most;
  }
  return most;
}

double defect_symplectic(const Tensor *j, int sample) {
  int64_t d = j->type.dim[0], n = d / 2;
  double most = 0;
  for (int64_t a = 0; a < d; a++)
    for (int64_t b = 0; b < a; b++) {
      double sum = a == b + n ? 1 : 0; /* omega(a, b) = -1 there */
      for (int64_t k = 0; k < n; k++)
        sum += claims_value(j, k * d + a, sample) * claims_value(j, (k + n) * d + b, sample) -
               claims_value(j, (k + n) * d + a, sample) * claims_value(j, k * d + b, sample);
      most = fmax(most, fabs(sum));
    }
  return most;
}

double jacobian_det(const Tensor *j, int sample) {
  enum { MOST = 32 };
  uint32_t d = j->type.rank == 2 ? j->type.dim[0] : 1;
  double a[MOST][MOST], det = 1;
  if (d > MOST) abort();
  for (uint32_t r = 0; r < d; r++)
    for (uint32_t c = 0; c < d; c++) a[r][c] = claims_value(j, r * d + c, sample);
  for (uint32_t k = 0; k < d; k++) {
    uint32_t best = k;
    for (uint32_t r = k + 1; r < d; r++)
      if (fabs(a[r][k]) > fabs(a[best][k])) best = r;
    if (best != k) det = -det;
    for (uint32_t c = 0; c < d; c++) {
      double v = a[k][c];
      a[k][c] = a[best][c];
      a[best][c] = v;
    }
    det *= a[k][k];
    for (uint32_t r = k + 1; r < d && a[k][k] != 0; r++)
      for (uint32_t c = d; c-- > k;) a[r][c] -= a[r][k] / a[k][k] * a[k][c];
  }
  return det;
}
