/* A linker for what this code generator makes, which is little: sections of code and of constants, references between
 * them relative to the place of reference, and calls of a few functions of libc. A general one (LLVM's ORC)
 * takes a thousand times as long.
 *
 * The image: code, then stubs (a jump each, for functions farther away than a call reaches), then constants on pages
 * of their own. Offsets in an object are not trusted: one that does not fit is an error. */
#include "codegen/object/image_priv.h"
#include "codegen/target/target.h"

#include <dlfcn.h>
#include <elf.h>
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
  const char *p; /* the object */
  size_t n;
  const Elf64_Ehdr *eh;
  const Elf64_Shdr *sh;
  const Elf64_Sym *sym;
  uint32_t nsym;
  const char *str; /* names of symbols, and their end */
  size_t strsize;
  size_t *at;   /* by section: offset in the image, or NOWHERE */
  char **value; /* by symbol: its address, or NULL */
  CgImage *im;
  size_t stubs, nstub, code, end;
  char *err;
  size_t errsize;
} Load;

#define NOWHERE SIZE_MAX

static bool fail(Load *l, const char *what, const char *name) {
  snprintf(l->err, l->errsize, "an object cannot be loaded: %s%s", what, name);
  return false;
}

/* n things of `size` bytes at `off`, aligned as they must be; NULL if they are not all there. */
static const void *part(const Load *l, uint64_t off, uint64_t n, uint64_t size, uint64_t align) {
  if (off > l->n || (size && n > (l->n - off) / size) || off % align) return NULL;
  return l->p + off;
}

static const char *symbol_name(const Load *l, const Elf64_Sym *s) { return s->st_name < l->strsize ? l->str + s->st_name : ""; }

static bool open_object(Load *l) {
  l->eh = part(l, 0, 1, sizeof *l->eh, 1);
  if (!l->eh || memcmp(l->eh->e_ident, ELFMAG, SELFMAG) || l->eh->e_type != ET_REL || l->eh->e_machine != cg_elf_machine())
    return fail(l, "it is not one of this machine", "");
  l->sh = part(l, l->eh->e_shoff, l->eh->e_shnum, sizeof *l->sh, 8);
  if (!l->sh) return fail(l, "it is cut off", "");
  for (int k = 0; k < l->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &l->sh[k];
    if (s->sh_type != SHT_SYMTAB || s->sh_link >= l->eh->e_shnum) continue;
    l->nsym = (uint32_t)(s->sh_size / sizeof *l->sym);
    l->sym = part(l, s->sh_offset, l->nsym, sizeof *l->sym, 8);
    l->str = part(l, l->sh[s->sh_link].sh_offset, l->sh[s->sh_link].sh_size, 1, 1);
    l->strsize = l->sh[s->sh_link].sh_size;
  }
  if (!l->sym || !l->str || !l->strsize || l->str[l->strsize - 1]) return fail(l, "it has no symbols", "");
  return true;
}

/* ---- places ------------------------------------------------------------------------------------------------------- */

static size_t up(size_t n, size_t align) { return align > 1 ? (n + align - 1) / align * align : n; }

static void place(Load *l, bool code, size_t *end) {
  for (int k = 0; k < l->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &l->sh[k];
    bool wanted = (s->sh_flags & SHF_ALLOC) && (s->sh_type == SHT_PROGBITS || s->sh_type == SHT_NOBITS);
    if (!wanted || code != !!(s->sh_flags & SHF_EXECINSTR)) continue;
    l->at[k] = up(*end, s->sh_addralign);
    *end = l->at[k] + s->sh_size;
  }
}

static bool lay_out(Load *l) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), end = 0, foreign = 0;
  for (int k = 0; k < l->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &l->sh[k];
    l->at[k] = NOWHERE;
    if (s->sh_size > (1u << 30) || s->sh_addralign > page) return fail(l, "a section is out of bounds", "");
    if (s->sh_type == SHT_PROGBITS && !part(l, s->sh_offset, s->sh_size, 1, 1)) return fail(l, "it is cut off", "");
  }
  for (uint32_t k = 1; k < l->nsym; k++) foreign += l->sym[k].st_shndx == SHN_UNDEF;
  place(l, true, &end);
  l->stubs = up(end, CG_STUB);
  l->code = up(l->stubs + CG_STUB * foreign, page);
  l->end = l->code;
  place(l, false, &l->end);
  l->im->size = up(l->end + 1, page);
  l->im->base = mmap(NULL, l->im->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (l->im->base == MAP_FAILED) return l->im->base = NULL, fail(l, "there is not enough memory", "");
  for (int k = 0; k < l->eh->e_shnum; k++)
    if (l->at[k] != NOWHERE && l->sh[k].sh_type == SHT_PROGBITS)
      memcpy(l->im->base + l->at[k], l->p + l->sh[k].sh_offset, l->sh[k].sh_size);
  return true;
}

/* ---- symbols ------------------------------------------------------------------------------------------------------ */

static char *write_stub(Load *l, void *to) {
  char *at = l->im->base + l->stubs + CG_STUB * l->nstub++;
  cg_elf_stub(at, to);
  return at;
}

static bool find_symbols(Load *l) {
  for (uint32_t k = 1; k < l->nsym; k++) {
    const Elf64_Sym *s = &l->sym[k];
    const char *name = symbol_name(l, s);
    if (s->st_shndx == SHN_UNDEF) {
      void *to = NULL;
      for (const CgImage *w = l->im->with; w && !to; w = w->with) to = cg_image_symbol(w, name);
      if (!to) to = dlsym(RTLD_DEFAULT, name);
      if (!to) return fail(l, "it needs ", name);
      l->value[k] = write_stub(l, to);
    } else if (s->st_shndx < l->eh->e_shnum && l->at[s->st_shndx] != NOWHERE) {
      if (s->st_value > l->sh[s->st_shndx].sh_size) return fail(l, "a symbol is out of bounds: ", name);
      l->value[k] = l->im->base + l->at[s->st_shndx] + s->st_value;
      if (ELF64_ST_BIND(s->st_info) == STB_GLOBAL) *vec_push(&l->im->global) = (Global){l->im->names + s->st_name, l->value[k]};
    }
  }
  return true;
}

/* ---- references --------------------------------------------------------------------------------------------------- */

static bool relocate(Load *l, const Elf64_Shdr *s) {
  uint64_t n = s->sh_size / sizeof(Elf64_Rela);
  const Elf64_Rela *r = part(l, s->sh_offset, n, sizeof *r, 8);
  if (s->sh_info >= l->eh->e_shnum || !r) return fail(l, "it is cut off", "");
  if (l->at[s->sh_info] == NOWHERE) return true;
  for (uint64_t k = 0; k < n; k++) {
    uint64_t sym = ELF64_R_SYM(r[k].r_info);
    if (sym >= l->nsym || !l->value[sym]) return fail(l, "a reference is to nothing", "");
    uint64_t size = l->sh[s->sh_info].sh_size, bytes = cg_elf_bytes((uint32_t)ELF64_R_TYPE(r[k].r_info));
    if (size < bytes || r[k].r_offset > size - bytes) return fail(l, "a reference is out of bounds", "");
    char *p = l->im->base + l->at[s->sh_info] + r[k].r_offset;
    const char *why = cg_elf_refer(p, (uint32_t)ELF64_R_TYPE(r[k].r_info), (int64_t)(intptr_t)l->value[sym] + r[k].r_addend);
    if (why) return fail(l, why, "");
  }
  return true;
}

static bool relocate_all(Load *l) {
  for (int k = 0; k < l->eh->e_shnum; k++) {
    if (l->sh[k].sh_type == SHT_REL) return fail(l, "a reference is of an unknown kind", "");
    if (l->sh[k].sh_type == SHT_RELA && !relocate(l, &l->sh[k])) return false;
  }
  return true;
}

static bool seal(Load *l) {
  char *base = l->im->base;
  __builtin___clear_cache(base, base + l->code);
  if ((l->code && mprotect(base, l->code, PROT_READ | PROT_EXEC)) || mprotect(base + l->code, l->im->size - l->code, PROT_READ))
    return fail(l, "the system does not let it run", "");
  return true;
}

static bool load(Load *l) {
  if (!open_object(l)) return false;
  l->at = base_realloc(NULL, sizeof *l->at * (l->eh->e_shnum + 1u));
  l->value = base_realloc(NULL, sizeof *l->value * (l->nsym + 1u));
  memset(l->value, 0, sizeof *l->value * (l->nsym + 1u));
  l->im->names = base_realloc(NULL, l->strsize);
  memcpy(l->im->names, l->str, l->strsize);
  return lay_out(l) && find_symbols(l) && relocate_all(l) && seal(l);
}

CgImage *cg_image_load(const void *object, size_t size, const CgImage *with, char *err, size_t errsize) {
  CgImage *im = base_realloc(NULL, sizeof *im);
  *im = (CgImage){.with = with};
  Load l = {.p = object, .n = size, .im = im, .err = err, .errsize = errsize};
  bool ok = load(&l);
  base_free(l.at);
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
