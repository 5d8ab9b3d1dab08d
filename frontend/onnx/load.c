/* Files: each is read once, and a listing of its graph becomes a source, in which places of its nodes are. */
#include "frontend/onnx/net_priv.h"
#include "ir/base/onnx.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the listing -------------------------------------------------------------------------------------------------- */

typedef struct Listing {
  FILE *out;
  char *text;
  size_t size;
} Listing;

enum { SHOWN = 200, LISTED = 12 };

static uint32_t here(Listing *l) { return fflush(l->out) ? 0 : (uint32_t)l->size; }

static void name(Listing *l, const char *s) { fprintf(l->out, "%.*s", SHOWN, *s ? s : "_"); }

static void names(Listing *l, const char *const *s, uint32_t n) {
  for (uint32_t k = 0; k < n && k < LISTED; k++) {
    if (k) fputs(", ", l->out);
    name(l, s[k]);
  }
  if (n > LISTED) fputs(", ...", l->out);
}

static void shape(Listing *l, uint32_t rank, const int64_t *dim, const char *const *called) {
  for (uint32_t k = 0; k < rank; k++) {
    fputs(k ? ", " : "[", l->out);
    if (called && !dim[k]) name(l, called[k] ? called[k] : "?");
    else fprintf(l->out, "%lld", (long long)dim[k]);
  }
  if (rank) fputs("]", l->out);
}

static Span from(Listing *l, uint32_t begin) {
  const Span at = {0, begin, here(l)};
  fputs("\n", l->out);
  return at;
}

static void infos(Listing *l, OnnxInfo *x, uint32_t n, const char *what) {
  for (uint32_t k = 0; k < n; k++) {
    const uint32_t begin = here(l);
    fprintf(l->out, "%s ", what);
    name(l, x[k].name);
    shape(l, x[k].rank, x[k].dim, x[k].called);
    x[k].at = from(l, begin);
  }
}

static void graph(Listing *l, OnnxGraph *g) {
  infos(l, g->in, g->nin, "input");
  for (uint32_t k = 0; k < g->nweight; k++) {
    const uint32_t begin = here(l);
    fprintf(l->out, "%s ", g->weight[k].real ? "weight" : "constant");
    name(l, g->weight[k].name);
    shape(l, g->weight[k].rank, g->weight[k].dim, NULL);
    g->weight_at[k] = from(l, begin);
  }
  for (uint32_t k = 0; k < g->nnode; k++) {
    OnnxNode *n = &g->node[k];
    const uint32_t begin = here(l);
    names(l, n->out, n->nout);
    fputs(" = ", l->out);
    name(l, n->op);
    fputs("(", l->out);
    names(l, n->in, n->nin);
    fputs(")", l->out);
    if (*n->name) fputs("    # ", l->out), name(l, n->name);
    n->at = from(l, begin);
    for (uint32_t i = 0; i < n->nattr; i++)
      if (n->attr[i].g) graph(l, n->attr[i].g);
  }
  infos(l, g->out, g->nout, "output");
}

/* Of graphs in nodes, too. */
static void placed(OnnxGraph *g, uint32_t file) {
  for (uint32_t k = 0; k < g->nin; k++) g->in[k].at.file = file;
  for (uint32_t k = 0; k < g->nout; k++) g->out[k].at.file = file;
  for (uint32_t k = 0; k < g->nweight; k++) g->weight_at[k].file = file;
  for (uint32_t k = 0; k < g->nnode; k++) {
    g->node[k].at.file = file;
    for (uint32_t i = 0; i < g->node[k].nattr; i++)
      if (g->node[k].attr[i].g) placed(g->node[k].attr[i].g, file);
  }
}

static void list(Elab *E, OnnxFile *f, const char *path) {
  Listing l = {0};
  l.out = open_memstream(&l.text, &l.size);
  if (!l.out) base_fault("no memory for a listing");
  fprintf(l.out, "# opset %lld%s", (long long)f->opset, *f->producer ? ", written by " : "");
  if (*f->producer) name(&l, f->producer), fprintf(l.out, " %.*s", SHOWN, f->version);
  fputs("\n", l.out);
  graph(&l, &f->graph);
  fclose(l.out);
  placed(&f->graph, l.size > SOURCE_MOST ? 0 : source_add(E->src, path, l.text, l.size));
  free(l.text);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

typedef struct Beside { /* a file with weights: most have all of them */
  struct Beside *next;
  const char *name;
  const unsigned char *bytes;
  size_t size;
} Beside;

typedef struct Folder {
  Elab *E;
  const char *path; /* of the ONNX file */
  Beside *read;
} Folder;

static const unsigned char *beside(void *ctx, const char *file, size_t *size, char *err, size_t errsize) {
  Folder *f = ctx;
  for (const Beside *b = f->read; b; b = b->next)
    if (!strcmp(b->name, file)) return *size = b->size, b->bytes;
  const char *slash = strrchr(f->path, '/');
  const char *path = slash ? arena_printf(f->E->mem, "%.*s/%s", (int)(slash - f->path), f->path, file) : file;
  *vec_push(&f->E->made.files) = path;
  const unsigned char *bytes = f->E->o->bytes ? f->E->o->bytes(f->E->o->ctx, f->E->mem, path, size, err, errsize) : NULL;
  Beside *b = ARENA_NEW(f->E->mem, Beside);
  *b = (Beside){f->read, file, bytes, *size};
  if (bytes) f->read = b;
  return bytes;
}

static void not_there(Elab *E, const char *path, const char *err, Span at) {
  DiagMsg *m = elab_error(E, CODE_file, at, "cannot read `%s`: %s", path, elab_file_reason(E, err, path));
  const char *longer = arena_printf(E->mem, "%s.onnx", path);
  if (access(path, F_OK) == 0) return;
  if (access(longer, F_OK) == 0) elab_help(m, "there is `%s`", longer);
  else elab_help(m, "a path is relative to the directory of the model, then to the working directory");
}

static bool begins(const unsigned char *bytes, size_t size, const char *with, size_t n) {
  return size >= n && !memcmp(bytes, with, n);
}

static bool printable(const unsigned char *bytes, size_t size) {
  for (size_t k = 0; k < size && k < 512; k++)
    if (bytes[k] < ' ' && !(bytes[k] >= '\t' && bytes[k] <= '\r')) return false;
  return true;
}

/* What a file is that is no ONNX file; NULL: not known. */
static const char *other_kind(const unsigned char *bytes, size_t size, bool *torch) {
  const bool zip = begins(bytes, size, "PK", 2),
             safe = size > 9 && bytes[8] == '{' && !memchr(bytes + 8, 0, size < 64 ? size - 8 : 56);
  *torch = safe || begins(bytes, size, "\x80", 1) || (zip && memmem(bytes, size, "/data.pkl", 9));
  if (!size) return "it is empty";
  if (safe) return "it is a safetensors file: it has weights, but no network";
  if (*torch) return "it is a `torch.save` file, not an ONNX file";
  if (zip) return "it is a zip archive, such as an .npz, not an ONNX file";
  if (begins(bytes, size, "\x93NUMPY", 6)) return "it is a NumPy array, not an ONNX file";
  if (begins(bytes, size, "\x89HDF", 4)) return "it is an HDF5 file, not an ONNX file";
  return printable(bytes, size) ? "it is text, not an ONNX file" : NULL;
}

static void not_read(Elab *E, const char *path, const char *err, const unsigned char *bytes, size_t size, Span at) {
  bool torch;
  const char *kind = other_kind(bytes, size, &torch);
  DiagMsg *m = elab_error(E, CODE_network, at, "cannot read `%s`: %s", path, kind ? kind : err);
  if (torch || (!kind && *bytes != MODEL_IR << 3))
    elab_help(m, "export a PyTorch model with `torch.onnx.export(model.eval(), ...)`");
}

OnnxFile *onnx_net_file(Elab *E, const char *given, Span at) {
  char err[640] = "it cannot be opened";
  const char *path = elab_file(E, given);
  for (const OnnxLoaded *l = E->onnx; l; l = l->next)
    if (!strcmp(l->path, path)) return l->file;
  OnnxLoaded *l = ARENA_NEW(E->mem, OnnxLoaded);
  *l = (OnnxLoaded){.next = E->onnx, .path = path};
  E->onnx = l;
  *vec_push(&E->made.files) = path;
  size_t size = 0;
  const unsigned char *bytes = E->o->bytes ? E->o->bytes(E->o->ctx, E->mem, path, &size, err, sizeof err) : NULL;
  if (!bytes) return not_there(E, path, err, at), NULL;
  Folder folder = {E, path, NULL};
  const OnnxSource source = {.mem = E->mem, .names = E->m->names, .beside = beside, .ctx = &folder};
  l->file = onnx_file_read(&source, bytes, size, err, sizeof err);
  if (l->file) list(E, l->file, path);
  else not_read(E, path, err, bytes, size, at);
  return l->file;
}
