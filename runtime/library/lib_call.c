/* Calls of functions of exported libraries: the user's arrays as lanes, and back.
 *
 * A call that sums nothing is done in strips, so that what was just transposed is in the cache when it is read; threads take a
 * strip each. Where the user's array has the layout of lanes already (one number a sample, or the sample last), a whole strip is
 * read and written in place; the last one only if it is whole tiles, for others go beyond its end. So is a sample that is a tile
 * of its own, whose elements lie side by side. Results are the same in all these ways. */
#include "runtime/library/lib_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scratch ------------------------------------------------------------------------------------------- */

static RtFn *make_part(RtPool *pool, const LibPart *p) {
  const RtFnSpec spec = {p->kernel, *p->info, p->nin, p->nout, p->out_elems, p->out_lane};
  return rt_fn_create(&spec, pool);
}

static RtFn *make_fn(const Lib *l, const LibFn *f, RtPool *pool) {
  RtFn *out = NULL;
  RtPart *part = calloc((size_t)f->nparts, sizeof *part);
  bool ok = part != NULL;
  for (int k = 0; ok && k < f->nparts; k++) {
    const LibPart *p = &f->part[k];
    part[k] = (RtPart){NULL, p->nin, p->nout, p->in, p->out_elems, p->out_lane};
    ok = !p->kernel || (part[k].fn = make_part(pool, p)) != NULL;
  }
  const RtSplitSpec spec = {f->nparts, part, l->m->f64, f->nin, f->nout, f->out_lane, f->out_elems, f->from};
  if (ok) ok = (out = f->whole ? part[1].fn : rt_fn_create_split(&spec)) != NULL;
  for (int k = 0; part && !ok && k < f->nparts; k++) rt_fn_destroy(part[k].fn);
  free(part);
  return out;
}

/* The function, made when it is first called; NULL without memory. */
static RtFn *caller_fn(const Lib *l, Caller *c, RtPool *pool, int fn) {
  if (!c->fn[fn]) c->fn[fn] = make_fn(l, &l->m->fn[fn], pool);
  return c->fn[fn];
}

RtFn *lib_fn(LibScratch *s, int fn) { return caller_fn(s->l, &s->whole, s->pool, fn); }

static bool caller_init(Caller *c, int n) {
  c->fn = calloc((size_t)n + 1, sizeof *c->fn);
  c->arguments = calloc((size_t)n + 1, sizeof *c->arguments);
  return c->fn && c->arguments;
}

static void caller_finish(Caller *c, int n) {
  for (int k = 0; c->fn && k < n; k++) rt_fn_destroy(c->fn[k]);
  for (int k = 0; c->arguments && k < n; k++) free(c->arguments[k].memory), free(c->arguments[k].in);
  free(c->fn);
  free(c->arguments);
}

LibScratch *lib_scratch_on(const Lib *l, RtPool *pool) {
  LibScratch *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->l = l, s->pool = pool, s->threads = rt_pool_threads(pool), s->lent = true;
  bool ok = caller_init(&s->whole, l->m->nfn);
  if (ok && s->threads > 1) {
    s->alone = rt_pool_create(1);
    s->strip = calloc((size_t)s->threads, sizeof *s->strip);
    ok = s->alone && s->strip;
    for (int k = 0; ok && k < s->threads; k++) ok = caller_init(&s->strip[k], l->m->nfn);
  }
  if (ok) return s;
  lib_scratch_destroy(s);
  return NULL;
}

LibScratch *lib_scratch_create(const Lib *l, int threads) {
  RtPool *pool = rt_pool_create(threads);
  LibScratch *s = pool ? lib_scratch_on(l, pool) : NULL;
  if (s) s->lent = false;
  else rt_pool_destroy(pool);
  return s;
}

void lib_scratch_destroy(LibScratch *s) {
  if (!s) return;
  caller_finish(&s->whole, s->l->m->nfn);
  for (int k = 0; s->strip && k < s->threads; k++) caller_finish(&s->strip[k], s->l->m->nfn);
  free(s->strip);
  rt_pool_destroy(s->alone);
  if (!s->lent) rt_pool_destroy(s->pool);
  free(s);
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

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

/* n samples of the user, from sample `from`, to [elems][ld]; `padding` behind them is filled with the last one. */
static void to_lanes(const Lib *l, const hnn_array *a, int64_t from, int64_t n, int64_t padding, int64_t elems, void *to,
                     int64_t ld) {
  const size_t size = real_size(l);
  const char *p = a->p;
  const bool lanes = a->ld || elems == 1;
  if (!lanes) transpose(l, p + (size_t)(from * elems) * size, elems, n, elems, to, ld);
  for (int64_t e = 0; lanes && e < elems; e++)
    memcpy((char *)to + (size_t)(e * ld) * size, p + (size_t)(e * a->ld + from) * size, (size_t)n * size);
  for (int64_t e = 0; padding && e < elems; e++)
    for (int64_t i = n; i < n + padding; i++)
      if (l->m->f64) ((double *)to)[e * ld + i] = ((double *)to)[e * ld + n - 1];
      else ((float *)to)[e * ld + i] = ((float *)to)[e * ld + n - 1];
}

/* And back. */
static void from_lanes(const Lib *l, const HnnArg *lanes, int64_t from, int64_t n, int64_t elems, const hnn_array *a) {
  const size_t size = real_size(l);
  char *p = a->p;
  const bool as_lanes = a->ld || elems == 1;
  if (!as_lanes) transpose(l, lanes->p, lanes->ld, elems, n, p + (size_t)(from * elems) * size, elems);
  for (int64_t e = 0; as_lanes && e < elems; e++)
    memcpy(p + (size_t)(e * a->ld + from) * size, (const char *)lanes->p + (size_t)(e * lanes->ld) * size, (size_t)n * size);
}

/* Padding weighs nothing. */
static void fill_weight(const Lib *l, void *w, double weight, int64_t n, int64_t ld) {
  for (int64_t i = 0; i < ld; i++) rt_set_real(w, i, l->m->f64, i < n ? weight : 0);
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
  const int args = f->nin + f->nout;
  for (int k = 0; k < f->nin; k++) reals += f->in[k].lane ? rt_padded(f->in[k].elems * ld) : 0;
  for (int k = 0; k < f->nout; k++) reals += out_reals(f, k, ld);
  free(a->memory);
  a->n = 0, a->ld = ld;
  a->memory = rt_zeroed((size_t)reals * real_size(l));
  if (!a->in) a->in = calloc(2 * (size_t)args + 1, sizeof *a->in);
  if (!a->memory || !a->in) return a->ld = 0, false;
  a->out = a->in + f->nin, a->room = a->in + args;
  char *at = a->memory;
  for (int k = 0; k < f->nin; k++) {
    const LibInput *in = &f->in[k];
    a->room[k] = in->kind == LIB_PARAM ? (HnnArg){l->param[in->index], 0} : (HnnArg){at, ld};
    if (in->kind != LIB_PARAM) at += (size_t)rt_padded(in->elems * ld) * real_size(l);
  }
  for (int k = 0; k < f->nout; k++) {
    a->room[f->nin + k] = (HnnArg){at, ld};
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

/* Some samples of a call. */
typedef struct Piece {
  int64_t from, n, most; /* room is made for `most` */
  bool whole;            /* n is whole tiles: none goes beyond the end */
  bool alone;            /* it is one sample, and a tile is one */
} Piece;

/* The user's array is one of lanes as it is. */
static bool in_place(const Piece *p, const hnn_array *a, int64_t elems) { return p->whole && (a->ld || elems == 1 || p->alone); }

static HnnArg place(const Lib *l, const Piece *p, const hnn_array *a, int64_t elems) {
  const int64_t first = a->ld ? p->from : p->from * elems;
  return (HnnArg){(char *)a->p + (size_t)first * real_size(l), a->ld ? a->ld : 1};
}

static Arguments *bind(const Lib *l, const RtFn *run, int fn, Arguments *a, const Piece *p, const hnn_array *in,
                       const hnn_array *out) {
  const LibFn *f = &l->m->fn[fn];
  const int64_t tile = rt_fn_tile(run, p->n), lanes = (p->n + tile - 1) / tile * tile;
  const int64_t ld = row(l, (p->most + tile - 1) / tile * tile);
  if (a->ld != ld && !make_room(l, f, ld, a)) return NULL;
  memcpy(a->in, a->room, sizeof *a->in * (size_t)(f->nin + f->nout));
  for (int k = 0; k < f->nin; k++) {
    const LibInput *x = &f->in[k];
    const double weight = x->kind == LIB_ONE ? 1 : 1 / (double)p->n;
    if ((x->kind == LIB_WEIGHT || x->kind == LIB_ONE) && a->n != p->n) fill_weight(l, a->in[k].p, weight, p->n, a->ld);
    if (x->kind != LIB_FIELD) continue;
    if (in_place(p, &in[x->index], x->elems)) a->in[k] = place(l, p, &in[x->index], x->elems);
    else to_lanes(l, &in[x->index], p->from, p->n, lanes - p->n, x->elems, a->in[k].p, a->ld);
  }
  for (int k = 0; out && k < f->nout; k++)
    if (f->out_lane[k] && in_place(p, &out[k], f->out_elems[k])) a->out[k] = place(l, p, &out[k], f->out_elems[k]);
  a->n = p->n;
  return a;
}

Arguments *lib_bind(LibScratch *s, int fn, int64_t n, const hnn_array *in) {
  const RtFn *run = lib_fn(s, fn);
  if (!run || n < 1 || !sizes_fit(&s->l->m->fn[fn], n)) return NULL;
  return bind(s->l, run, fn, &s->whole.arguments[fn], &(Piece){0, n, n, false, false}, in, NULL);
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

enum {
  STRIP_BYTES = 65536, /* of arguments: what was just transposed is in the cache when it is read */
  STRIP_TILES = 4,     /* a multiple of the tiles that a kernel does at once */
  STRIP_ALONE = 64, /* numbers in and out, from which on a sample that is a tile is a strip: less than a call takes to transpose */
  STRIP_SHARED = 64 /* as much work of samples at least as work of the call */
};

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Samples of a strip, all in the form that all samples together would have; the last has what is left, less than two. *unit: of how many
 * samples a strip that is read and written in place is a multiple; 0: none can be. */
static int64_t strip(const Lib *l, const LibFn *f, int64_t tile, int64_t n, int64_t *unit) {
  int64_t elems = 1;
  *unit = 0;
  for (int k = 0; k < f->nin; k++) {
    if (f->in[k].kind == LIB_WEIGHT || f->in[k].kind == LIB_ONE) return n;
    elems += f->in[k].lane ? f->in[k].elems : 0;
  }
  for (int k = 0; k < f->nout; k++) {
    if (!f->out_lane[k]) return n;
    elems += f->out_elems[k];
  }
  if (!f->whole || !f->part[1].info->tile) return n;
  const HnnKernelInfo *info = f->part[1].info;
  if (tile == 1) {
    *unit = n == 1 || (elems >= STRIP_ALONE && STRIP_SHARED * info->flop_once <= info->flop_per_sample);
    return *unit ? 1 : n;
  }
  int64_t least = most(STRIP_BYTES / (int64_t)real_size(l) / elems, info->few ? info->few_most + 1 : 1);
  least = most(least, STRIP_SHARED * info->flop_once / (info->flop_per_sample + 1));
  const int64_t tiles = STRIP_TILES * tile, step = (least + tiles - 1) / tiles * tiles;
  *unit = !info->few || n > info->few_most ? tile : 0;
  return n >= 2 * step ? step : n;
}

/* A call, and what its strips share. */
typedef struct Call {
  LibScratch *s;
  int fn;
  int64_t n, step, last, unit; /* samples of a strip; the last strip; see strip() */
  uint64_t seed;
  const hnn_array *in, *out;
  int failed;
} Call;

/* One strip: false without memory. */
static bool run_strip(const Call *c, Caller *by, RtPool *pool, int64_t s) {
  const Lib *l = c->s->l;
  const LibFn *f = &l->m->fn[c->fn];
  const int64_t from = s * c->step, here = s < c->last ? c->step : c->n - from;
  RtFn *run = caller_fn(l, by, pool, c->fn);
  const Piece p = {.from = from,
                   .n = here,
                   .most = c->n - c->last * c->step,
                   .whole = s < c->last || (c->unit && here % c->unit == 0),
                   .alone = here == 1 && c->unit == 1};
  const Arguments *a = run ? bind(l, run, c->fn, &by->arguments[c->fn], &p, c->in, c->out) : NULL;
  if (!a || !rt_fn_run(run, a->in, a->out, here, c->seed, (uint64_t)from)) return false;
  for (int k = 0; k < f->nout; k++)
    if (!f->out_lane[k]) memcpy(c->out[k].p, a->out[k].p, (size_t)f->out_elems[k] * real_size(l));
    else if (!in_place(&p, &c->out[k], f->out_elems[k])) from_lanes(l, &a->out[k], from, here, f->out_elems[k], &c->out[k]);
  return true;
}

static void strip_job(void *ctx, int s, int thread) {
  Call *c = ctx;
  if (!run_strip(c, &c->s->strip[thread], c->s->alone, s)) __atomic_store_n(&c->failed, 1, __ATOMIC_RELAXED);
}

bool lib_call_good(const Lib *l, int fn, int64_t n, const hnn_array *in) {
  const LibFn *f = &l->m->fn[fn];
  if (n < 0 || !sizes_fit(f, n)) return false;
  for (int k = 0; k < f->nin; k++) {
    const LibInput *x = &f->in[k];
    if (n && x->kind == LIB_FIELD && (!in || !in[x->index].p || (in[x->index].ld && in[x->index].ld < n))) return false;
  }
  return true;
}

static bool outputs_good(const LibFn *f, int64_t n, const hnn_array *out) {
  const int nout = f->moved ? f->slope : f->nout;
  if (f->moved && (!out || !out[f->slope].p)) return false;
  for (int k = 0; k < nout; k++)
    if (n ? !out || !out[k].p || (f->out_lane[k] && out[k].ld && out[k].ld < n) : f->moved && !f->out_lane[k] && !out[k].p)
      return false;
  return true;
}

static void fill_nan(const Lib *l, void *to, int64_t elems) {
  for (int64_t i = 0; i < elems; i++) rt_set_real(to, i, l->m->f64, NAN);
}

/* Of one sample of zeros, what does not depend on it. */
static bool call_shared(LibScratch *s, int fn, uint64_t seed, const hnn_array *out) {
  const Lib *l = s->l;
  const LibFn *f = &l->m->fn[fn];
  int64_t most = 1;
  for (int k = 0; k < f->nin; k++) most = f->in[k].elems > most ? f->in[k].elems : most;
  void *zeros = rt_zeroed((size_t)most * real_size(l));
  hnn_array *in = calloc((size_t)f->nin + 1, sizeof *in);
  for (int k = 0; in && k < f->nin; k++) in[k].p = zeros;
  const Arguments *a = zeros && in ? lib_bind(s, fn, 1, in) : NULL;
  const bool ok = a && rt_fn_run(lib_fn(s, fn), a->in, a->out, 1, seed, 0);
  for (int k = 0; ok && k < f->nout; k++)
    if (!f->out_lane[k] && out[k].p) memcpy(out[k].p, a->out[k].p, (size_t)f->out_elems[k] * real_size(l));
  free(in);
  free(zeros);
  return ok;
}

/* No samples: nothing for each of them, and for all what needs none; a mean of nothing is NaN. */
static int call_none(LibScratch *s, int fn, uint64_t seed, const hnn_array *out) {
  const Lib *l = s->l;
  const LibFn *f = &l->m->fn[fn];
  bool shared = false, mean = false;
  for (int k = 0; out && k < f->nout; k++) shared |= !f->out_lane[k] && out[k].p;
  for (int k = 0; k < f->nin; k++) mean |= f->in[k].kind == LIB_WEIGHT;
  if (!shared) return HNN_OK;
  if (!mean) return call_shared(s, fn, seed, out) ? HNN_OK : HNN_NO_MEMORY;
  for (int k = 0; k < f->nout; k++)
    if (!f->out_lane[k] && out[k].p) fill_nan(l, out[k].p, f->out_elems[k]);
  return HNN_OK;
}

static int call_strips(LibScratch *s, int fn, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out) {
  const RtFn *run = lib_fn(s, fn);
  if (!run) return HNN_NO_MEMORY;
  Call c = {.s = s, .fn = fn, .n = n, .seed = seed, .in = in, .out = out};
  c.step = strip(s->l, &s->l->m->fn[fn], rt_fn_tile(run, n), n, &c.unit), c.last = n / c.step - 1;
  if (s->threads > 1 && c.last > 0) rt_pool_run(s->pool, (int)(c.last + 1), strip_job, &c);
  else
    for (int64_t k = 0; k <= c.last && !c.failed; k++) c.failed = !run_strip(&c, &s->whole, s->pool, k);
  return c.failed ? HNN_NO_MEMORY : HNN_OK;
}

/* What a function with gradients gives for no samples: a sum is 0, a mean NaN. */
static void slope_none(const Lib *l, const LibFn *f, const hnn_array *out) {
  bool mean = false;
  for (int k = 0; k < f->nin; k++) mean |= f->in[k].kind == LIB_WEIGHT;
  for (int k = 0; mean && k < f->slope; k++)
    if (!f->out_lane[k]) fill_nan(l, out[k].p, f->out_elems[k]);
  if (mean) fill_nan(l, out[f->slope].p, l->m->reals);
  else memset(out[f->slope].p, 0, (size_t)l->m->reals * real_size(l));
}

/* All samples at once; gradients end to end, behind the others. */
static int call_slope(LibScratch *s, int fn, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out) {
  const Lib *l = s->l;
  const LibFn *f = &l->m->fn[fn];
  const size_t size = real_size(l);
  if (n == 0) return slope_none(l, f, out), HNN_OK;
  const Arguments *a = lib_bind(s, fn, n, in);
  if (!a || !rt_fn_run(lib_fn(s, fn), a->in, a->out, n, seed, 0)) return HNN_NO_MEMORY;
  for (int k = 0; k < f->slope; k++)
    if (f->out_lane[k]) from_lanes(l, &a->out[k], 0, n, f->out_elems[k], &out[k]);
    else memcpy(out[k].p, a->out[k].p, (size_t)f->out_elems[k] * size);
  memset(out[f->slope].p, 0, (size_t)l->m->reals * size);
  for (int k = 0; k < f->nmoved; k++) {
    const LibParam *p = &l->m->param[f->moved[k]];
    memcpy((char *)out[f->slope].p + (size_t)p->offset * size, a->out[f->slope + k].p, (size_t)p->elems * size);
  }
  return HNN_OK;
}

int lib_call(Lib *l, int fn, int64_t n, uint64_t seed, const hnn_array *in, const hnn_array *out) {
  const LibFn *f = &l->m->fn[fn];
  if (!lib_call_good(l, fn, n, in)) return HNN_BAD_CALL;
  if (!outputs_good(f, n, out)) return HNN_BAD_CALL;
  if (f->moved) return call_slope(l->own, fn, n, seed, in, out);
  return n ? call_strips(l->own, fn, n, seed, in, out) : call_none(l->own, fn, seed, out);
}
