#include "runtime/library/lib_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- functions ------------------------------------------------------------------------------------ */

static RtFn *make_part(Lib *l, const LibPart *p) {
  const RtFnSpec spec = {p->kernel, *p->info, p->nin, p->nout, p->out_elems, p->out_lane};
  return rt_fn_create(&spec, l->pool);
}

static bool make_fn(Lib *l, const LibFn *f, RtFn **out) {
  RtPart *part = calloc((size_t)f->nparts, sizeof *part);
  bool ok = part != NULL;
  for (int k = 0; ok && k < f->nparts; k++) {
    const LibPart *p = &f->part[k];
    part[k] = (RtPart){NULL, p->nin, p->nout, p->in, p->out_elems, p->out_lane};
    ok = !p->kernel || (part[k].fn = make_part(l, p)) != NULL;
  }
  const RtSplitSpec spec = {f->nparts, part, l->m->f64, f->nin, f->nout, f->out_lane, f->out_elems, f->from};
  if (ok) ok = (*out = f->whole ? part[1].fn : rt_fn_create_split(&spec)) != NULL;
  for (int k = 0; part && !ok && k < f->nparts; k++) rt_fn_destroy(part[k].fn);
  free(part);
  return ok;
}

/* ---- making ---------------------------------------------------------------------------------------- */

static bool make_sum(Lib *l, const LibTrain *t, Sum *s) {
  if (t->nloss == 1 && t->loss[0].factor == 1) return true;
  int64_t n = lib_moved_size(l, t);
  for (int k = 0; k < t->nrunning; k++) n += rt_padded(l->m->param[t->running[k]].elems);
  s->memory = rt_zeroed((size_t)(n + 1) * real_size(l));
  s->grad = calloc((size_t)(t->nmoved + t->nrunning) + 1, sizeof *s->grad);
  if (!s->memory || !s->grad) return false;
  char *at = s->memory;
  for (int k = 0; k < t->nmoved + t->nrunning; k++) {
    s->grad[k].p = at;
    at += (size_t)rt_padded(l->m->param[k < t->nmoved ? t->moved[k] : t->running[k - t->nmoved]].elems) * real_size(l);
  }
  return true;
}

static bool make_train(Lib *l, int k) {
  const LibTrain *t = &l->m->train[k];
  if (!make_sum(l, t, &l->sum[k])) return false;
  if (!(l->state[k] = calloc((size_t)t->nstates + 1, sizeof(void *)))) return false;
  for (int i = 0; i < t->nstates; i++)
    if (!(l->state[k][i] = rt_zeroed((size_t)(lib_moved_size(l, t) + 1) * real_size(l)))) return false;
  return true;
}

static bool make_params(Lib *l) {
  int64_t n = 0;
  for (int k = 0; k < l->m->nparam; k++) n += rt_padded(l->m->param[k].elems);
  if (!(l->params = rt_zeroed((size_t)(n + 1) * real_size(l)))) return false;
  n = 0;
  for (int k = 0; k < l->m->nparam; k++) {
    const LibParam *p = &l->m->param[k];
    l->param[k] = (char *)l->params + (size_t)n * real_size(l);
    n += rt_padded(p->elems);
    memcpy(l->param[k], (const char *)l->m->start + (size_t)p->offset * real_size(l), (size_t)p->elems * real_size(l));
  }
  return true;
}

Lib *lib_create(const LibModel *m) {
  Lib *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->m = m;
  l->pool = rt_pool_create(1);
  l->fn = calloc((size_t)m->nfn + 1, sizeof *l->fn);
  l->arguments = calloc((size_t)m->nfn + 1, sizeof *l->arguments);
  l->param = calloc((size_t)m->nparam + 1, sizeof *l->param);
  l->steps = calloc((size_t)m->ntrain + 1, sizeof *l->steps);
  l->state = calloc((size_t)m->ntrain + 1, sizeof *l->state);
  l->sum = calloc((size_t)m->ntrain + 1, sizeof *l->sum);
  bool ok = l->pool && l->fn && l->arguments && l->param && l->steps && l->state && l->sum && make_params(l);
  for (int k = 0; ok && k < m->nfn; k++) ok = make_fn(l, &m->fn[k], &l->fn[k]);
  for (int k = 0; ok && k < m->ntrain; k++) ok = make_train(l, k);
  if (ok) return l;
  lib_destroy(l);
  return NULL;
}

void lib_destroy(Lib *l) {
  if (!l) return;
  for (int k = 0; l->fn && k < l->m->nfn; k++) rt_fn_destroy(l->fn[k]);
  for (int k = 0; l->arguments && k < l->m->nfn; k++) {
    free(l->arguments[k].memory);
    free(l->arguments[k].in);
  }
  for (int k = 0; l->state && k < l->m->ntrain; k++) {
    for (int i = 0; l->state[k] && i < l->m->train[k].nstates; i++) free(l->state[k][i]);
    free(l->state[k]);
  }
  for (int k = 0; l->sum && k < l->m->ntrain; k++) free(l->sum[k].memory), free(l->sum[k].grad);
  free(l->sum);
  rt_pool_destroy(l->pool);
  free(l->fn);
  free(l->arguments);
  free(l->params);
  free(l->param);
  free(l->steps);
  free(l->state);
  free(l);
}

void *lib_param(Lib *l, int k) { return l->param[k]; }

/* ---- calls -------------------------------------------------------------------------------------------- */

/* to[c * to_ld + r] = from[r * from_ld + c], by blocks: a line of each row at a time. */
#define TRANSPOSE(name, real)                                                                                                     \
  static void name(const real *restrict from, int64_t from_ld, int64_t rows, int64_t columns, real *restrict to, int64_t to_ld) { \
    enum { BLOCK = 64 / sizeof(real) };                                                                                           \
    for (int64_t c = 0; c < columns; c += BLOCK)                                                                                  \
      for (int64_t r = 0; r < rows; r += BLOCK) {                                                                                 \
        const int64_t right = c + BLOCK < columns ? c + BLOCK : columns, down = r + BLOCK < rows ? r + BLOCK : rows;              \
        for (int64_t j = c; j < right; j++)                                                                                       \
          for (int64_t i = r; i < down; i++) to[j * to_ld + i] = from[i * from_ld + j];                                           \
      }                                                                                                                           \
  }
TRANSPOSE(transpose_f32, float)
TRANSPOSE(transpose_f64, double)

static void transpose(const Lib *l, const void *from, int64_t from_ld, int64_t rows, int64_t columns, void *to, int64_t to_ld) {
  if (l->m->f64) transpose_f64(from, from_ld, rows, columns, to, to_ld);
  else transpose_f32(from, from_ld, rows, columns, to, to_ld);
}

/* [n][elems] of the user to [elems][ld], `padding` behind the samples filled with the last one. */
static void to_lanes(const Lib *l, const void *from, int64_t n, int64_t padding, int64_t elems, void *to, int64_t ld) {
  transpose(l, from, elems, n, elems, to, ld);
  for (int64_t e = 0; padding && e < elems; e++)
    for (int64_t i = n; i < n + padding; i++)
      if (l->m->f64) ((double *)to)[e * ld + i] = ((double *)to)[e * ld + n - 1];
      else ((float *)to)[e * ld + i] = ((float *)to)[e * ld + n - 1];
}

static void fill_weight(const Lib *l, void *w, int64_t n, int64_t ld) {
  for (int64_t i = 0; i < ld; i++) {
    const double v = i < n ? 1.0 / (double)n : 0;
    if (l->m->f64) ((double *)w)[i] = v;
    else ((float *)w)[i] = (float)v;
  }
}

/* Shared outputs follow one another, each rounded up to RT_PAD. */
static int64_t out_reals(const LibFn *f, int k, int64_t ld) { return rt_padded(f->out_elems[k] * (f->out_lane[k] ? ld : 1)); }

/* Whether all arrays of n samples together have a size that memory can have. */
static bool sizes_fit(const LibFn *f, int64_t n) {
  const int64_t most = INT64_MAX / 64; /* of reals; padding and the bytes of a real are below 64 */
  int64_t elems = 1;
  for (int k = 0; k < f->nin; k++) elems += f->in[k].lane ? f->in[k].elems : 0;
  for (int k = 0; k < f->nout; k++) elems += f->out_elems[k];
  return n <= most / (elems + RT_PAD) - RT_PAD;
}

/* Room for lane arrays of `ld` samples, zeroed: what lies behind the last element of a shared output stays 0. */
static bool make_room(const Lib *l, const LibFn *f, int64_t ld, Arguments *a) {
  int64_t reals = 1;
  for (int k = 0; k < f->nin; k++) reals += f->in[k].lane ? rt_padded(f->in[k].elems * ld) : 0;
  for (int k = 0; k < f->nout; k++) reals += out_reals(f, k, ld);
  free(a->memory);
  a->n = 0, a->ld = ld;
  a->memory = rt_zeroed((size_t)reals * real_size(l));
  if (!a->in) a->in = calloc((size_t)(f->nin + f->nout) + 1, sizeof *a->in);
  if (!a->memory || !a->in) return a->ld = 0, false;
  a->out = a->in + f->nin;
  char *at = a->memory;
  for (int k = 0; k < f->nin; k++) {
    const LibInput *in = &f->in[k];
    a->in[k] = in->kind == LIB_PARAM ? (HnnArg){l->param[in->index], 0} : (HnnArg){at, ld};
    if (in->kind != LIB_PARAM) at += (size_t)rt_padded(in->elems * ld) * real_size(l);
  }
  for (int k = 0; k < f->nout; k++) {
    a->out[k] = (HnnArg){at, ld};
    at += (size_t)out_reals(f, k, ld) * real_size(l);
  }
  return true;
}

/* Rows of lane arrays, an odd number of lines apart: powers of two would put a column into a few sets of the cache. One sample has
 * ld 1: its elements are consecutive. */
static int64_t row(const Lib *l, int64_t lanes) {
  const int64_t line = 64 / (int64_t)real_size(l);
  return lanes < line ? lanes : ((lanes + line - 1) / line | 1) * line;
}

/* n samples of the user from sample `from`, in arrays for `most`. */
static Arguments *bind(Lib *l, int fn, int64_t n, int64_t from, int64_t most, const void *const *user) {
  const LibFn *f = &l->m->fn[fn];
  Arguments *a = &l->arguments[fn];
  if (most < 1 || !sizes_fit(f, most)) return NULL;
  const int64_t tile = rt_fn_tile(l->fn[fn], n), lanes = (n + tile - 1) / tile * tile, ld = row(l, (most + tile - 1) / tile * tile);
  if (a->ld != ld && !make_room(l, f, ld, a)) return NULL;
  for (int k = 0; k < f->nin; k++) {
    const LibInput *in = &f->in[k];
    if (in->kind == LIB_FIELD)
      to_lanes(l, (const char *)user[in->index] + (size_t)(from * in->elems) * real_size(l), n, lanes - n, in->elems, a->in[k].p,
               a->ld);
    else if (in->kind == LIB_WEIGHT && a->n != n) fill_weight(l, a->in[k].p, n, a->ld);
  }
  a->n = n;
  return a;
}

Arguments *lib_bind(Lib *l, int fn, int64_t n, const void *const *user) { return bind(l, fn, n, 0, n, user); }

enum {
  STRIP_BYTES = 65536, /* of arguments: what was just transposed is in the cache when it is read */
  STRIP_TILES = 4,     /* a multiple of the tiles that a kernel does at once */
  STRIP_SHARED = 64    /* as much work of samples at least as work of the call */
};

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Samples of a strip. A call that sums nothing is done in strips, each in the form that all samples would have; the last has what
 * is left, less than two. */
static int64_t strip(const Lib *l, const LibFn *f, int64_t tile, int64_t n) {
  int64_t elems = 1;
  for (int k = 0; k < f->nin; k++) {
    if (f->in[k].kind == LIB_WEIGHT) return n;
    elems += f->in[k].lane ? f->in[k].elems : 0;
  }
  for (int k = 0; k < f->nout; k++) {
    if (!f->out_lane[k]) return n;
    elems += f->out_elems[k];
  }
  if (!f->whole || !f->part[1].info->tile || tile == 1) return n;
  const HnnKernelInfo *info = f->part[1].info;
  int64_t least = most(STRIP_BYTES / (int64_t)real_size(l) / elems, info->few ? info->few_most + 1 : 1);
  least = most(least, STRIP_SHARED * info->flop_once / (info->flop_per_sample + 1));
  const int64_t unit = STRIP_TILES * tile, step = (least + unit - 1) / unit * unit;
  return n >= 2 * step ? step : n;
}

int lib_call(Lib *l, int fn, int64_t n, const void *const *in, void *const *out) {
  const LibFn *f = &l->m->fn[fn];
  if (n < 1 || !sizes_fit(f, n)) return -1;
  const int64_t tile = rt_fn_tile(l->fn[fn], n), step = strip(l, f, tile, n), last = n / step - 1;
  for (int64_t s = 0; s <= last; s++) {
    const int64_t from = s * step, here = s < last ? step : n - from;
    const Arguments *a = bind(l, fn, here, from, n - last * step, in);
    if (!a) return -1;
    if (!rt_fn_run(l->fn[fn], a->in, a->out, here, 0, (uint64_t)from)) return -1;
    for (int k = 0; k < f->nout; k++)
      if (f->out_lane[k])
        transpose(l, a->out[k].p, a->ld, f->out_elems[k], here, (char *)out[k] + (size_t)(from * f->out_elems[k]) * real_size(l),
                  f->out_elems[k]);
      else memcpy(out[k], a->out[k].p, (size_t)f->out_elems[k] * real_size(l));
  }
  return 0;
}
