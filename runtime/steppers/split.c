/* A function in parts (see passes/split/split.c): shared work, a phase of the batch, shared work, ... run as one RtFn.
 *
 * An output of the original that a part makes is written where it belongs; other values have a buffer. Those
 * of a value per sample have the size of the batch, grow with it and are kept from call to call. Phases may have
 * tiles of different widths, and a value may hold the weight, which is 0 in the padding: so several phases run over
 * whole tiles of the widest, and what one reads of the padding another has computed there. */
#include "runtime/steppers/split_priv.h"

#include <stdlib.h>
#include <string.h>

typedef struct Buffer {
  void *p;   /* of a shared value from the beginning; of one per sample from the first run */
  bool read; /* by a later part */
} Buffer;

struct RtSplit {
  RtSplitSpec spec;
  RtPart *part;       /* the spec's, copied */
  HnnArg **in, **out; /* by part */
  Buffer **buffer;    /* by part and output */
  HnnArg *arg;        /* what in and out point into */
  Buffer *buffers;    /* what buffer points into */
  size_t nbuffers;
  int64_t ld; /* of the buffers per sample; 0: none yet */
};

static size_t real_size(const RtSplit *s) { return s->spec.f64 ? 8 : 4; }
static int outputs_of(const RtPart *p) { return p->fn ? p->nout : 0; }
static int inputs_of(const RtPart *p) { return p->fn ? p->nin : 0; }

static bool make_tables(RtSplit *s) {
  const int n = s->spec.nparts;
  size_t args = 1;
  for (int p = 0; p < n; p++) {
    args += (size_t)(inputs_of(&s->part[p]) + outputs_of(&s->part[p]));
    s->nbuffers += (size_t)outputs_of(&s->part[p]);
  }
  s->in = calloc((size_t)n + 1, sizeof *s->in);
  s->out = calloc((size_t)n + 1, sizeof *s->out);
  s->buffer = calloc((size_t)n + 1, sizeof *s->buffer);
  s->arg = calloc(args, sizeof *s->arg);
  s->buffers = calloc(s->nbuffers + 1, sizeof *s->buffers);
  if (!s->in || !s->out || !s->buffer || !s->arg || !s->buffers) return false;
  HnnArg *arg = s->arg;
  Buffer *buffer = s->buffers;
  for (int p = 0; p < n; p++) {
    s->in[p] = arg, arg += inputs_of(&s->part[p]);
    s->out[p] = arg, arg += outputs_of(&s->part[p]);
    s->buffer[p] = buffer, buffer += outputs_of(&s->part[p]);
  }
  return true;
}

static bool make_buffers(RtSplit *s) {
  for (int p = 0; p < s->spec.nparts; p++) {
    const RtPart *part = &s->part[p];
    for (int k = 0; k < inputs_of(part); k++)
      if (part->in[k].part >= 0) s->buffer[part->in[k].part][part->in[k].index].read = true;
    for (int k = 0; k < outputs_of(part); k++) {
      if (part->out_lane[k]) continue;
      s->buffer[p][k].p = rt_zeroed((size_t)(part->out_elems[k] + 1) * real_size(s));
      if (!s->buffer[p][k].p) return false;
    }
  }
  return true;
}

static int64_t widest(const RtSplit *s, int64_t n) {
  int64_t tile = 1;
  for (int p = 1; p < s->spec.nparts; p += 2)
    if (s->part[p].fn && rt_fn_tile(s->part[p].fn, n) > tile) tile = rt_fn_tile(s->part[p].fn, n);
  return tile;
}

static int64_t whole_tiles(int64_t n, int64_t tile) { return (n + tile - 1) / tile * tile; }

/* A phase may take other tiles for the padded number. */
int64_t rt_split_tile(const RtSplit *s, int64_t n) {
  int64_t tile = widest(s, n);
  while (widest(s, whole_tiles(n, tile)) > tile) tile = widest(s, whole_tiles(n, tile));
  return tile;
}

void rt_split_watch(RtSplit *s, const RtWatch *w) {
  for (int p = 1; p < s->spec.nparts; p += 2)
    if (s->part[p].fn) rt_fn_watch(s->part[p].fn, w);
}

void rt_split_set_across(RtSplit *s, RtRanks *r, const RtFnAcross *across) {
  for (int p = 1; p < s->spec.nparts; p += 2)
    if (s->part[p].fn) rt_fn_set_across(s->part[p].fn, r, across);
}

void rt_split_range(RtSplit *s, int64_t n, int64_t *from, int64_t *to) {
  const int64_t all = s->spec.nparts > 3 ? whole_tiles(n, rt_split_tile(s, n)) : n;
  *from = n, *to = 0;
  for (int p = 1; p < s->spec.nparts; p += 2) {
    int64_t a, b;
    if (!s->part[p].fn) continue;
    rt_fn_range(s->part[p].fn, all, &a, &b);
    *from = a < *from ? a : *from, *to = b > *to ? b : *to;
  }
  if (*to > n) *to = n;
}

RtSplit *rt_split_create(const RtSplitSpec *spec) {
  RtSplit *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->spec = *spec;
  s->part = calloc((size_t)spec->nparts + 1, sizeof *s->part);
  if (s->part) memcpy(s->part, spec->part, (size_t)spec->nparts * sizeof *s->part);
  if (s->part && make_tables(s) && make_buffers(s)) return s;
  for (int p = 0; s->part && p < spec->nparts; p++) s->part[p].fn = NULL; /* the caller's still */
  rt_split_destroy(s);
  return NULL;
}

void rt_split_destroy(RtSplit *s) {
  if (!s) return;
  for (size_t k = 0; s->buffers && k < s->nbuffers; k++) free(s->buffers[k].p);
  for (int p = 0; s->part && p < s->spec.nparts; p++) rt_fn_destroy(s->part[p].fn);
  free(s->part);
  free(s->in);
  free(s->out);
  free(s->buffer);
  free(s->arg);
  free(s->buffers);
  free(s);
}

/* Room for n samples in the buffers of values per sample that a later phase reads. */
static bool room_for(RtSplit *s, int64_t n) {
  const int64_t ld = rt_padded(n);
  if (ld <= s->ld) return true;
  s->ld = 0; /* until all are there */
  for (int p = 0; p < s->spec.nparts; p++)
    for (int k = 0; k < outputs_of(&s->part[p]); k++) {
      Buffer *b = &s->buffer[p][k];
      if (!s->part[p].out_lane[k] || !b->read) continue;
      free(b->p);
      if (!(b->p = rt_zeroed((size_t)(s->part[p].out_elems[k] * ld + 1) * real_size(s)))) return false;
    }
  s->ld = ld;
  return true;
}

/* Buffers first, then the places of the original outputs in their stead; but what a later phase reads per sample
 * stays in its buffer. */
static void place_outputs(RtSplit *s, const HnnArg *out) {
  for (int p = 0; p < s->spec.nparts; p++)
    for (int k = 0; k < outputs_of(&s->part[p]); k++)
      s->out[p][k] = (HnnArg){s->buffer[p][k].p, s->part[p].out_lane[k] ? s->ld : 0};
  for (int k = s->spec.nout - 1; k >= 0; k--) {
    const HnnRef from = s->spec.from[k];
    if (from.part < 0 || (s->part[from.part].out_lane[from.index] && s->buffer[from.part][from.index].read)) continue;
    s->out[from.part][from.index] = out[k];
  }
}

static const HnnArg *source(const RtSplit *s, HnnRef from, const HnnArg *in) {
  return from.part < 0 ? &in[from.index] : &s->out[from.part][from.index];
}

static bool run_part(RtSplit *s, int p, const HnnArg *in, int64_t n, uint64_t seed, uint64_t sample0) {
  const RtPart *part = &s->part[p];
  if (!part->fn) return true;
  for (int k = 0; k < part->nin; k++) s->in[p][k] = *source(s, part->in[k], in);
  return rt_fn_run(part->fn, s->in[p], s->out[p], p % 2 ? n : 1, seed, sample0);
}

/* Outputs that are inputs, or the same value as an earlier output, or in a buffer. */
static void copy_outputs(RtSplit *s, const HnnArg *in, const HnnArg *out) {
  for (int k = 0; k < s->spec.nout; k++) {
    const HnnArg from = *source(s, s->spec.from[k], in);
    if (from.p == out[k].p) continue;
    if (!s->spec.out_lane[k]) {
      memcpy(out[k].p, from.p, (size_t)s->spec.out_elems[k] * real_size(s));
      continue;
    }
    const int64_t ld = from.ld < out[k].ld ? from.ld : out[k].ld;
    for (int64_t e = 0; e < s->spec.out_elems[k]; e++)
      memcpy((char *)out[k].p + (size_t)(e * out[k].ld) * real_size(s), (const char *)from.p + (size_t)(e * from.ld) * real_size(s),
             (size_t)ld * real_size(s));
  }
}

bool rt_split_run(RtSplit *s, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0) {
  if (s->spec.nparts > 3) n = whole_tiles(n, rt_split_tile(s, n));
  if (!room_for(s, n)) return false;
  place_outputs(s, out);
  for (int p = 0; p < s->spec.nparts; p++)
    if (!run_part(s, p, in, n, seed, sample0)) return false;
  copy_outputs(s, in, out);
  return true;
}
