/* A linker for what this code generator makes, which is little: sections of code and of constants, references between
 * them relative to the place of reference, and calls of memcpy, memmove and memset. A general one (LLVM's ORC)
 * takes a thousand times as long.
 *
 * The image: code, then stubs (a jump each, for functions farther away than a call reaches), then constants on pages
 * of their own. Offsets in an object are not trusted: one that does not fit is an error. */
#include "codegen/object/image_priv.h"
#include "codegen/object/elf_priv.h"
#include "codegen/target/target.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Global {
  const char *name;
  void *at;
} Global;

struct CgImage {
  char *base;
  size_t size;
  VEC(Global) global;
  char *names;
  const CgImage *with;
};

typedef struct Load {
  CgElf o;
  char **at;      /* by section: where it lies, or NULL */
  int64_t *place; /* that, as a number */
  int64_t *value; /* by symbol: its address, or 0 */
  CgImage *im;
  size_t stubs, nstub, code, end;
} Load;

/* ---- places ------------------------------------------------------------------------------------------------------- */

static size_t up(size_t n, size_t align) { return align > 1 ? (n + align - 1) / align * align : n; }

/* Offsets in the image, for now. */
static void place(Load *l, bool code, size_t *end) {
  for (int k = 0; k < l->o.eh->e_shnum; k++) {
    const Elf64_Shdr *s = &l->o.sh[k];
    if (!cg_elf_kept(s) || code != !!(s->sh_flags & SHF_EXECINSTR)) continue;
    l->place[k] = (int64_t)up(*end, s->sh_addralign);
    *end = (size_t)l->place[k] + s->sh_size;
  }
}

static bool lay_out(Load *l) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), end = 0, foreign = 0;
  for (uint32_t k = 1; k < l->o.nsym; k++) foreign += l->o.sym[k].st_shndx == SHN_UNDEF;
  place(l, true, &end);
  l->stubs = up(end, CG_STUB);
  l->code = up(l->stubs + CG_STUB * foreign, page);
  l->end = l->code;
  place(l, false, &l->end);
  l->im->size = up(l->end + 1, page);
  l->im->base = mmap(NULL, l->im->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (l->im->base == MAP_FAILED) return l->im->base = NULL, cg_elf_fail(&l->o, "there is not enough memory", "");
  for (int k = 0; k < l->o.eh->e_shnum; k++) {
    const Elf64_Shdr *s = &l->o.sh[k];
    if (!cg_elf_kept(s)) continue;
    l->at[k] = l->im->base + l->place[k], l->place[k] = (intptr_t)l->at[k];
    if (s->sh_type == SHT_PROGBITS) memcpy(l->at[k], l->o.p + s->sh_offset, s->sh_size);
  }
  return true;
}

/* ---- symbols ------------------------------------------------------------------------------------------------------ */

static char *write_stub(Load *l, void *to) {
  char *at = l->im->base + l->stubs + CG_STUB * l->nstub++;
  cg_elf_stub(at, to);
  return at;
}

/* What the base of libraries has, too (runtime/library/lib_so.c): what runs here can be made a library. */
static void *of_libc(const char *name) {
  void *(*const copy)(void *, const void *, size_t) = memcpy, *(*const move)(void *, const void *, size_t) = memmove;
  void *(*const fill)(void *, int, size_t) = memset, *to = NULL;
  if (!strcmp(name, "memcpy")) memcpy(&to, &copy, sizeof to);
  if (!strcmp(name, "memmove")) memcpy(&to, &move, sizeof to);
  if (!strcmp(name, "memset")) memcpy(&to, &fill, sizeof to);
  return to;
}

static bool find_symbols(Load *l) {
  for (uint32_t k = 1; k < l->o.nsym; k++) {
    const Elf64_Sym *s = &l->o.sym[k];
    const char *name = cg_elf_name(&l->o, s);
    if (s->st_shndx == SHN_UNDEF) {
      void *to = NULL;
      for (const CgImage *w = l->im->with; w && !to; w = w->with) to = cg_image_symbol(w, name);
      if (!to) to = of_libc(name);
      if (!to) return cg_elf_fail(&l->o, "it needs ", name);
      l->value[k] = (intptr_t)write_stub(l, to);
    } else if (s->st_shndx < l->o.eh->e_shnum && l->at[s->st_shndx]) {
      char *at = l->at[s->st_shndx] + s->st_value;
      l->value[k] = (intptr_t)at;
      if (ELF64_ST_BIND(s->st_info) == STB_GLOBAL) *vec_push(&l->im->global) = (Global){l->im->names + s->st_name, at};
    }
  }
  return true;
}

static bool seal(Load *l) {
  char *base = l->im->base;
  __builtin___clear_cache(base, base + l->code);
  if ((l->code && mprotect(base, l->code, PROT_READ | PROT_EXEC)) || mprotect(base + l->code, l->im->size - l->code, PROT_READ))
    return cg_elf_fail(&l->o, "the system does not let it run", "");
  return true;
}

static bool load(Load *l) {
  CgElf *o = &l->o;
  if (!cg_elf_open(o)) return false;
  l->at = base_zeroed(o->eh->e_shnum + 1u, sizeof *l->at);
  l->place = base_zeroed(o->eh->e_shnum + 1u, sizeof *l->place);
  l->value = base_zeroed(o->nsym + 1u, sizeof *l->value);
  l->im->names = base_realloc(NULL, o->strsize);
  memcpy(l->im->names, o->str, o->strsize);
  return lay_out(l) && find_symbols(l) && cg_elf_relocate(o, &(CgElfPlaces){.at = l->at, .place = l->place, .value = l->value}) &&
         seal(l);
}

CgImage *cg_image_load(const void *object, size_t size, const CgImage *with, char *err, size_t errsize) {
  CgImage *im = base_realloc(NULL, sizeof *im);
  *im = (CgImage){.with = with};
  Load l = {.o = {.p = object, .n = size, .err = err, .errsize = errsize}, .im = im};
  bool ok = load(&l);
  base_free(l.at);
  base_free(l.place);
  base_free(l.value);
  if (ok) return im;
  cg_image_destroy(im);
  return NULL;
}

void *cg_image_symbol(const CgImage *im, const char *name) {
  for (uint32_t k = 0; k < im->global.n; k++)
    if (!strcmp(im->global.at[k].name, name)) return im->global.at[k].at;
  return NULL;
}

void cg_image_destroy(CgImage *im) {
  if (!im) return;
  if (im->base) munmap(im->base, im->size);
  vec_free(&im->global);
  base_free(im->names);
  base_free(im);
}
