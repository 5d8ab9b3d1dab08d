/* A function cut in three (see passes/split.c): shared work before the batch, the batch, shared work
 * after it, run as one RtFn.
 *
 *   pre    original shared inputs                         -> values
 *   batch  original inputs, pre's values                  -> lane outputs, sums (lane outputs last)
 *   post   original shared inputs, pre's values, sums     -> the rest
 *
 * An output of the original that a part makes is written where it belongs; other values have a buffer. */
#include "runtime/split.h"

#include <stdlib.h>
#include <string.h>

struct RtSplit {
  RtSplitSpec spec;
  int npre, nsum;            /* outputs of pre; sums of batch */
  HnnArg *pre_in, *pre_out, *batch_in, *batch_out, *post_in, *post_out;
  int nshared, nbuffer;
  void **buffer;             /* of pre's outputs, then of batch's; NULL for lane outputs */
};

static size_t real_size(const RtSplit *s) { return s->spec.f64 ? 8 : 4; }

static int outputs_of(const RtPart *p) { return p->fn ? p->nout : 0; }

static bool make_buffers(RtSplit *s) {
  const RtPart *part[] = {&s->spec.pre, &s->spec.batch};
  int at = 0;
  for (int p = 0; p < 2; p++)
    for (int k = 0; k < outputs_of(part[p]); k++, at++) {
      if (part[p]->out_lane[k]) continue;
      s->buffer[at] = rt_zeroed((size_t)(part[p]->out_elems[k] + 1) * real_size(s));
      if (!s->buffer[at]) return false;
    }
  return true;
}

RtSplit *rt_split_create(const RtSplitSpec *spec) {
  RtSplit *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->spec = *spec;
  for (int k = 0; k < spec->nin; k++) s->nshared += !spec->in_lane[k];
  s->npre = outputs_of(&spec->pre);
  const int nbatch = outputs_of(&spec->batch), npost = outputs_of(&spec->post);
  for (int k = 0; k < nbatch; k++) s->nsum += !spec->batch.out_lane[k];
  const size_t args = (size_t)(3 * spec->nin + 3 * s->npre + 2 * nbatch + npost + 1);
  HnnArg *arg = calloc(args, sizeof *arg);
  s->buffer = calloc((size_t)(s->npre + nbatch + 1), sizeof *s->buffer);
  s->pre_in = arg;
  s->nbuffer = s->npre + nbatch;
  if (!arg || !s->buffer || !make_buffers(s)) {
    s->spec.pre.fn = s->spec.batch.fn = s->spec.post.fn = NULL;      /* the caller's still */
    rt_split_destroy(s);
    return NULL;
  }
  s->pre_out = s->pre_in + spec->nin;
  s->batch_in = s->pre_out + s->npre;
  s->batch_out = s->batch_in + spec->nin + s->npre;
  s->post_in = s->batch_out + nbatch;
  s->post_out = s->post_in + spec->nin + s->npre + nbatch;
  return s;
}

void rt_split_destroy(RtSplit *s) {
  if (!s) return;
  for (int k = 0; s->buffer && k < s->nbuffer; k++) free(s->buffer[k]);
  free(s->buffer);
  free(s->pre_in);
  rt_fn_destroy(s->spec.pre.fn);
  rt_fn_destroy(s->spec.batch.fn);
  rt_fn_destroy(s->spec.post.fn);
  free(s);
}

/* Buffers first, then the places of the original outputs in their stead. */
static void place_outputs(RtSplit *s, const HnnArg *out) {
  const int nbatch = outputs_of(&s->spec.batch);
  for (int k = 0; k < s->npre; k++) s->pre_out[k] = (HnnArg){s->buffer[k], 0};
  for (int k = 0; k < nbatch; k++) s->batch_out[k] = (HnnArg){s->buffer[s->npre + k], 0};
  HnnArg *of[] = {s->pre_out, s->batch_out, s->post_out};
  for (int k = s->spec.nout - 1; k >= 0; k--)
    if (s->spec.from_part[k] != RT_FROM_INPUT) of[s->spec.from_part[k]][s->spec.from_index[k]] = out[k];
}

static void place_inputs(RtSplit *s, const HnnArg *in) {
  int shared = 0, at = s->spec.nin, post;
  for (int k = 0; k < s->spec.nin; k++) {
    s->batch_in[k] = in[k];
    if (!s->spec.in_lane[k]) s->pre_in[shared] = s->post_in[shared] = in[k], shared++;
  }
  post = shared;
  for (int k = 0; k < s->npre; k++) s->batch_in[at++] = s->post_in[post++] = s->pre_out[k];
  for (int k = 0; k < outputs_of(&s->spec.batch); k++)
    if (!s->spec.batch.out_lane[k]) s->post_in[post++] = s->batch_out[k];
}

/* Outputs that are inputs, or the same value as an earlier output. */
static void copy_outputs(RtSplit *s, const HnnArg *in, const HnnArg *out) {
  const HnnArg *of[] = {s->pre_out, s->batch_out, s->post_out, in};
  for (int k = 0; k < s->spec.nout; k++) {
    const HnnArg from = of[s->spec.from_part[k]][s->spec.from_index[k]];
    if (from.p == out[k].p) continue;
    if (!s->spec.out_lane[k]) { memcpy(out[k].p, from.p, (size_t)s->spec.out_elems[k] * real_size(s)); continue; }
    const int64_t ld = from.ld < out[k].ld ? from.ld : out[k].ld;
    for (int64_t e = 0; e < s->spec.out_elems[k]; e++)
      memcpy((char *)out[k].p + (size_t)(e * out[k].ld) * real_size(s),
             (const char *)from.p + (size_t)(e * from.ld) * real_size(s), (size_t)ld * real_size(s));
  }
}

void rt_split_run(RtSplit *s, const HnnArg *in, const HnnArg *out, int64_t n, uint64_t seed, uint64_t sample0) {
  place_outputs(s, out);
  place_inputs(s, in);
  if (s->spec.pre.fn) rt_fn_run(s->spec.pre.fn, s->pre_in, s->pre_out, 1, seed, sample0);
  if (s->spec.batch.fn) rt_fn_run(s->spec.batch.fn, s->batch_in, s->batch_out, n, seed, sample0);
  if (s->spec.post.fn) rt_fn_run(s->spec.post.fn, s->post_in, s->post_out, 1, seed, sample0);
  copy_outputs(s, in, out);
}
