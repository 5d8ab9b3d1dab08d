#include "codegen/object/elf_priv.h"
#include "codegen/target/target.h"

#include <stdio.h>
#include <string.h>

bool cg_elf_fail(CgElf *o, const char *what, const char *name) {
  snprintf(o->err, o->errsize, "an object cannot be loaded: %s%s", what, name);
  return false;
}

const void *cg_elf_part(const CgElf *o, uint64_t off, uint64_t n, uint64_t size, uint64_t align) {
  if (off > o->n || (size && n > (o->n - off) / size) || off % align) return NULL;
  return o->p + off;
}

const char *cg_elf_name(const CgElf *o, const Elf64_Sym *s) { return s->st_name < o->strsize ? o->str + s->st_name : ""; }

bool cg_elf_kept(const Elf64_Shdr *s) {
  return (s->sh_flags & SHF_ALLOC) && (s->sh_type == SHT_PROGBITS || s->sh_type == SHT_NOBITS);
}

static bool sections_good(CgElf *o) {
  enum { ALIGN = 4096 };
  for (int k = 0; k < o->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &o->sh[k];
    if (s->sh_size > (1u << 30) || s->sh_addralign > ALIGN) return cg_elf_fail(o, "a section is out of bounds", "");
    if (s->sh_type == SHT_PROGBITS && !cg_elf_part(o, s->sh_offset, s->sh_size, 1, 1)) return cg_elf_fail(o, "it is cut off", "");
  }
  for (uint32_t k = 1; k < o->nsym; k++) {
    const Elf64_Sym *s = &o->sym[k];
    if (s->st_shndx != SHN_UNDEF && s->st_shndx < o->eh->e_shnum && s->st_value > o->sh[s->st_shndx].sh_size)
      return cg_elf_fail(o, "a symbol is out of bounds: ", cg_elf_name(o, s));
  }
  return true;
}

bool cg_elf_open(CgElf *o) {
  o->eh = cg_elf_part(o, 0, 1, sizeof *o->eh, 1);
  if (!o->eh || memcmp(o->eh->e_ident, ELFMAG, SELFMAG) || o->eh->e_type != ET_REL || o->eh->e_machine != cg_elf_machine())
    return cg_elf_fail(o, "it is not one of this machine", "");
  o->sh = cg_elf_part(o, o->eh->e_shoff, o->eh->e_shnum, sizeof *o->sh, 8);
  if (!o->sh) return cg_elf_fail(o, "it is cut off", "");
  for (int k = 0; k < o->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &o->sh[k];
    if (s->sh_type != SHT_SYMTAB || s->sh_link >= o->eh->e_shnum) continue;
    o->nsym = (uint32_t)(s->sh_size / sizeof *o->sym);
    o->sym = cg_elf_part(o, s->sh_offset, o->nsym, sizeof *o->sym, 8);
    o->str = cg_elf_part(o, o->sh[s->sh_link].sh_offset, o->sh[s->sh_link].sh_size, 1, 1);
    o->strsize = o->sh[s->sh_link].sh_size;
  }
  if (!o->sym || !o->str || !o->strsize || o->str[o->strsize - 1]) return cg_elf_fail(o, "it has no symbols", "");
  return sections_good(o);
}

/* One list of references, all in one section. */
static bool relocate(CgElf *o, const CgElfPlaces *to, const Elf64_Shdr *s) {
  uint64_t n = s->sh_size / sizeof(Elf64_Rela);
  const Elf64_Rela *r = cg_elf_part(o, s->sh_offset, n, sizeof *r, 8);
  if (s->sh_info >= o->eh->e_shnum || !r) return cg_elf_fail(o, "it is cut off", "");
  if (!to->at[s->sh_info]) return true;
  for (uint64_t k = 0; k < n; k++) {
    const uint64_t sym = ELF64_R_SYM(r[k].r_info), size = o->sh[s->sh_info].sh_size;
    const uint32_t type = (uint32_t)ELF64_R_TYPE(r[k].r_info);
    if (sym >= o->nsym || !to->value[sym]) return cg_elf_fail(o, "a reference is to nothing", "");
    if (size < cg_elf_bytes(type) || r[k].r_offset > size - cg_elf_bytes(type))
      return cg_elf_fail(o, "a reference is out of bounds", "");
    const int64_t at = to->place[s->sh_info] + (int64_t)r[k].r_offset, value = to->value[sym] + r[k].r_addend;
    const char *why = cg_elf_refer(to->at[s->sh_info] + r[k].r_offset, at, type, value);
    if (why) return cg_elf_fail(o, why, "");
    if (to->pointer && cg_elf_bytes(type) == 8) to->pointer(to->ctx, at, value);
  }
  return true;
}

bool cg_elf_relocate(CgElf *o, const CgElfPlaces *to) {
  for (int k = 0; k < o->eh->e_shnum; k++) {
    if (o->sh[k].sh_type == SHT_REL) return cg_elf_fail(o, "a reference is of an unknown kind", "");
    if (o->sh[k].sh_type == SHT_RELA && !relocate(o, to, &o->sh[k])) return false;
  }
  return true;
}
