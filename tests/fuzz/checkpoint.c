/* Fuzz target: any bytes as a checkpoint. What is read lies in its memory and says what was written: once more, it reads back
 * the same. */
#include "runtime/runtime.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/scratch.h"

#include <jansson.h>
#include <string.h>

static size_t bytes_of(const RtTensor *t) {
  size_t n = t->f64 ? 8 : 4;
  for (int d = 0; d < t->rank; d++) n *= t->dim[d];
  return n;
}

/* Names of tensors are known from the header alone. */
static json_t *header(const uint8_t *data, size_t size) {
  uint64_t len = 0;
  for (int k = 0; k < 8; k++) len |= (uint64_t)data[k] << 8 * k;
  return len <= size - 8 ? json_loadb((const char *)data + 8, (size_t)len, 0, NULL) : NULL;
}

static void same_again(const RtTensor *t) {
  char path[120];
  RtError err = {""};
  const char *const meta[][2] = {{"format", "x"}};
  snprintf(path, sizeof path, "%s/again", scratch());
  if (!rt_checkpoint_write(path, t, 1, meta, 1, &err)) abort();
  RtCheckpoint *c = rt_checkpoint_read(path, &err);
  const RtTensor *u = c ? rt_checkpoint_tensor(c, t->name) : NULL;
  if (!u || u->rank != t->rank || u->f64 != t->f64 || bytes_of(u) != bytes_of(t) || memcmp(u->v, t->v, bytes_of(t))) abort();
  rt_checkpoint_finish(c);
}

static void look(const RtCheckpoint *c, const uint8_t *data, size_t size) {
  json_t *all = header(data, size), *value;
  const char *name;
  if (!json_is_object(all)) abort();
  bool first = true;
  json_object_foreach(all, name, value) {
    const RtTensor *t = rt_checkpoint_tensor(c, name);
    if (!strcmp(name, "__metadata__")) continue;
    if (!t || strcmp(t->name, name)) abort();
    volatile unsigned char sum = 0;
    for (size_t k = 0; k < bytes_of(t); k++) sum ^= ((const unsigned char *)t->v)[k];
    if (first && strlen(name)) same_again(t), first = false;
  }
  (void)rt_checkpoint_meta(c, "format");
  json_decref(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[120];
  RtError err = {""};
  scratch_write("checkpoint", data, size, path, sizeof path);
  RtCheckpoint *c = rt_checkpoint_read(path, &err);
  if (!c && !err.text[0]) abort();
  if (c) look(c, data, size);
  rt_checkpoint_finish(c);
  return 0;
}
