/* Lays out a library behind its base, and has every reference lead to where it does. What the loader reads writes dynamic.c. */
#include "codegen/object/codegen_priv.h"
#include "codegen/object/shared_priv.h"
#include "codegen/target/target.h"

#include <stdlib.h>
#include <string.h>

/* ---- data --------------------------------------------------------------------------------------------------- */

size_t cg_shared_room(CgBytes *b, size_t n, size_t align) {
  const size_t at = (b->n + align - 1) / align * align, end = at + n;
  if (end > b->room) b->at = base_realloc(b->at, b->room = 2 * end);
  if (end > b->n) memset(b->at + b->n, 0, end - b->n); /* there may be none yet */
  b->n = end;
  return at;
}

size_t cg_data_put(CgData *d, const void *p, size_t n) {
  const size_t at = cg_shared_room(&d->bytes, n, 16);
  if (n) memcpy(d->bytes.at + at, p, n);
  return at;
}

size_t cg_data_text(CgData *d, const char *text) { return cg_data_put(d, text, strlen(text) + 1); }

void cg_data_point(CgData *d, size_t at, size_t to) {
  *vec_push(&d->pointer) = (CgPointer){.at = at, .kind = CG_TO_DATA, .to = to};
}
void cg_data_numbers(CgData *d, size_t at) { *vec_push(&d->pointer) = (CgPointer){.at = at, .kind = CG_TO_NUMBERS}; }

void cg_data_symbol(CgData *d, size_t at, const char *symbol) {
  *vec_push(&d->pointer) = (CgPointer){.at = at, .kind = CG_TO_SYMBOL, .symbol = symbol};
}

void cg_data_finish(CgData *d) {
  base_free(d->bytes.at);
  d->bytes = (CgBytes){0};
  vec_free(&d->pointer);
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

bool cg_shared_fail(Shared *l, const char *what, const char *name) {
  snprintf(l->err, l->errsize, "the library cannot be made: %s%s", what, name);
  return false;
}

static const SharedName *find_base(Shared *l, const char *prefix, const char *name, SharedName *out) {
  const SharedBase *b = &l->base;
  const size_t n = strlen(prefix);
  for (uint32_t k = 1; k < b->nsym; k++) {
    const Elf64_Sym *s = &b->sym[k];
    if (s->st_shndx == SHN_UNDEF || s->st_shndx >= b->eh->e_shnum || strncmp(b->str + s->st_name, prefix, n) ||
        strcmp(b->str + s->st_name + n, name))
      continue;
    *out = (SharedName){name, (int64_t)s->st_value, (int64_t)s->st_size, s->st_shndx, ELF64_ST_TYPE(s->st_info) == STT_FUNC};
    return out;
  }
  return NULL;
}

/* memcpy, memmove, memset: as code generators call them unasked, and the base has them as lib_memcpy, lib_memmove, lib_memset. */
const SharedName *cg_shared_find(Shared *l, const char *name, SharedName *room) {
  for (uint32_t k = 0; k < l->name.n; k++)
    if (!strcmp(l->name.at[k].name, name)) return &l->name.at[k];
  const SharedName *found = find_base(l, "", name, room);
  return found ? found : find_base(l, "lib_", name, room);
}

void cg_shared_pointer(Shared *l, int64_t at, int64_t to) {
  *vec_push(&l->relative) = (Elf64_Rela){.r_offset = (Elf64_Addr)at, .r_info = ELF64_R_INFO(0, SHARED_RELATIVE), .r_addend = to};
}

/* ---- objects -------------------------------------------------------------------------------------------------- */

typedef struct Object {
  CgElf o;
  SharedKind *kind; /* by section */
  size_t *offset;   /* in its segment; NOWHERE: it is not kept */
  char **at;
  int64_t *place, *value;
} Object;

#define NOWHERE SIZE_MAX

/* Pointers make a constant one that is written to, when the library is loaded. */
static bool has_pointers(const Object *x, int section) {
  for (int k = 0; k < x->o.eh->e_shnum; k++) {
    const Elf64_Shdr *s = &x->o.sh[k];
    const uint64_t n = s->sh_type == SHT_RELA && s->sh_info == (uint32_t)section ? s->sh_size / sizeof(Elf64_Rela) : 0;
    const Elf64_Rela *r = cg_elf_part(&x->o, s->sh_offset, n, sizeof *r, 8);
    for (uint64_t i = 0; r && i < n; i++)
      if (cg_elf_bytes((uint32_t)ELF64_R_TYPE(r[i].r_info)) == 8) return true;
  }
  return false;
}

/* Its sections, each to its segment. */
static bool take_object(Shared *l, Object *x) {
  if (!cg_elf_open(&x->o)) return false;
  const int n = x->o.eh->e_shnum;
  x->kind = base_zeroed((size_t)n, sizeof *x->kind), x->offset = base_zeroed((size_t)n, sizeof *x->offset);
  x->at = base_zeroed((size_t)n, sizeof *x->at), x->place = base_zeroed((size_t)n, sizeof *x->place);
  x->value = base_zeroed(x->o.nsym, sizeof *x->value);
  for (int k = 0; k < n; k++) {
    const Elf64_Shdr *s = &x->o.sh[k];
    x->offset[k] = NOWHERE;
    if (!cg_elf_kept(s)) continue;
    x->kind[k] = s->sh_flags & SHF_EXECINSTR                       ? SHARED_CODE
                 : (s->sh_flags & SHF_WRITE) || has_pointers(x, k) ? SHARED_DATA
                                                                   : SHARED_CONST;
    CgBytes *to = &l->seg[x->kind[k]].bytes;
    x->offset[k] = cg_shared_room(to, s->sh_size, s->sh_addralign ? s->sh_addralign : 1);
    if (s->sh_type == SHT_PROGBITS && s->sh_size) memcpy(to->at + x->offset[k], x->o.p + s->sh_offset, s->sh_size);
  }
  return true;
}

/* Once segments have their addresses. */
static void place_object(Shared *l, Object *x) {
  for (int k = 0; k < x->o.eh->e_shnum; k++) {
    if (x->offset[k] == NOWHERE) continue;
    x->at[k] = l->seg[x->kind[k]].bytes.at + x->offset[k];
    x->place[k] = l->seg[x->kind[k]].at + (int64_t)x->offset[k];
  }
  for (uint32_t k = 1; k < x->o.nsym; k++) {
    const Elf64_Sym *s = &x->o.sym[k];
    if (s->st_shndx == SHN_UNDEF || s->st_shndx >= x->o.eh->e_shnum || !x->at[s->st_shndx]) continue;
    const SharedKind kind = x->kind[s->st_shndx];
    x->value[k] = x->place[s->st_shndx] + (int64_t)s->st_value;
    if (ELF64_ST_BIND(s->st_info) == STB_GLOBAL)
      *vec_push(&l->name) =
          (SharedName){cg_elf_name(&x->o, s), x->value[k], (int64_t)s->st_size, cg_shared_section(l, kind), kind == SHARED_CODE};
  }
}

static void on_pointer(void *ctx, int64_t at, int64_t to) { cg_shared_pointer(ctx, at, to); }

static bool link_object(Shared *l, Object *x) {
  for (uint32_t k = 1; k < x->o.nsym; k++) {
    SharedName room;
    const Elf64_Sym *s = &x->o.sym[k];
    if (s->st_shndx != SHN_UNDEF || !s->st_name) continue;
    const SharedName *found = cg_shared_find(l, cg_elf_name(&x->o, s), &room);
    if (!found) return cg_shared_fail(l, "code needs ", cg_elf_name(&x->o, s));
    x->value[k] = found->at;
  }
  return cg_elf_relocate(&x->o, &(CgElfPlaces){x->at, x->place, x->value, on_pointer, l});
}

static void finish_object(Object *x) {
  base_free(x->kind), base_free(x->offset), base_free(x->at), base_free(x->place), base_free(x->value);
}

/* ---- the library ------------------------------------------------------------------------------------------------ */

static void place_segments(Shared *l) {
  int64_t at = (l->base.end + SHARED_PAGE - 1) / SHARED_PAGE * SHARED_PAGE;
  l->first = (l->base.n + SHARED_PAGE - 1) / SHARED_PAGE * SHARED_PAGE;
  for (int k = 0; k < SHARED_SEGMENTS; k++) {
    l->seg[k].at = at;
    at += ((int64_t)l->seg[k].bytes.n / SHARED_PAGE + 1) * SHARED_PAGE;
  }
}

static bool link_data(Shared *l) {
  const CgShared *s = l->s;
  SharedName room;
  const int64_t at = l->seg[SHARED_DATA].at + (int64_t)l->data;
  for (uint32_t k = 0; k < s->data->pointer.n; k++) {
    const CgPointer *p = &s->data->pointer.at[k];
    memset(l->seg[SHARED_DATA].bytes.at + l->data + p->at, 0, sizeof(void *)); /* the loader writes it */
    if (p->kind == CG_TO_NUMBERS) continue;                                    /* cg_shared_write knows where they are */
    const SharedName *found = p->kind == CG_TO_SYMBOL ? cg_shared_find(l, p->symbol, &room) : NULL;
    if (p->kind == CG_TO_SYMBOL && !found) return cg_shared_fail(l, "there is no ", p->symbol);
    cg_shared_pointer(l, at + (int64_t)p->at, found ? found->at : at + (int64_t)p->to);
  }
  const SharedName *slot = cg_shared_find(l, s->slot, &room);
  if (!slot) return cg_shared_fail(l, "the base has no ", s->slot);
  cg_shared_pointer(l, slot->at, at + (int64_t)s->root);
  return true;
}

static bool link_all(Shared *l, Object *x, uint32_t n, FILE *out) {
  if (!cg_shared_base_open(l)) return false;
  for (uint32_t k = 0; k < n; k++)
    if (!take_object(l, &x[k])) return false;
  CgBytes *to = &l->seg[SHARED_DATA].bytes;
  l->data = cg_shared_room(to, l->s->data->bytes.n, 64);
  if (l->s->data->bytes.n) memcpy(to->at + l->data, l->s->data->bytes.at, l->s->data->bytes.n);
  for (int k = 0; k < SHARED_META; k++) cg_shared_room(&l->seg[k].bytes, 1, 1); /* none is empty */
  place_segments(l);
  for (uint32_t k = 0; k < n; k++) place_object(l, &x[k]);
  for (uint32_t k = 0; k < n; k++)
    if (!link_object(l, &x[k])) return false;
  return link_data(l) && cg_shared_write(l, out);
}

bool cg_write_shared(Cg *cg, const CgShared *s, FILE *out, char *err, size_t errsize) {
  CgObject *object;
  const uint32_t n = cg_objects(cg, s->wrapper, (uint32_t)s->nwrapper, &object, err, errsize);
  if (!n) return false;
  Shared l = {.s = s, .err = err, .errsize = errsize};
  Object *x = base_zeroed(n, sizeof *x);
  for (uint32_t k = 0; k < n; k++) x[k].o = (CgElf){.p = object[k].p, .n = object[k].n, .err = err, .errsize = errsize};
  const bool ok = link_all(&l, x, n, out);
  for (uint32_t k = 0; k < n; k++) finish_object(&x[k]), base_free(object[k].p);
  for (int k = 0; k < SHARED_SEGMENTS; k++) base_free(l.seg[k].bytes.at);
  vec_free(&l.name);
  vec_free(&l.relative);
  base_free(object);
  base_free(x);
  return ok;
}
