/* ELF objects of this machine, as the code generator makes them. Offsets in them are not trusted: one that does not fit is an error. */
#ifndef HNNC_CODEGEN_OBJECT_ELF_PRIV_H
#define HNNC_CODEGEN_OBJECT_ELF_PRIV_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CgElf {
  const char *p; /* the object */
  size_t n;
  const Elf64_Ehdr *eh;
  const Elf64_Shdr *sh;
  const Elf64_Sym *sym;
  uint32_t nsym;
  const char *str; /* names of symbols, and their end */
  size_t strsize;
  char *err;
  size_t errsize;
} CgElf;

bool cg_elf_fail(CgElf *o, const char *what, const char *name); /* false */
/* `o` has p, n and err. False after a message; else sections and symbols are there, and what a section has is within the object. */
bool cg_elf_open(CgElf *o);
/* n things of `size` bytes at `off`, aligned as they must be; NULL if they are not all there. */
const void *cg_elf_part(const CgElf *o, uint64_t off, uint64_t n, uint64_t size, uint64_t align);
const char *cg_elf_name(const CgElf *o, const Elf64_Sym *s);
bool cg_elf_kept(const Elf64_Shdr *s); /* the section has a place in memory */

/* Where the sections and symbols of an object come to lie. */
typedef struct CgElfPlaces {
  char **at;            /* by section: its bytes, as they are written; NULL: it has none */
  const int64_t *place; /* by section: its address, when it runs */
  const int64_t *value; /* by symbol: likewise; 0: there is none */
  /* Hears of pointers, whose place moves with the image: at this address, to that one. NULL: addresses are final. */
  void (*pointer)(void *ctx, int64_t at, int64_t to);
  void *ctx;
} CgElfPlaces;
/* Has all references lead to where they do. */
bool cg_elf_relocate(CgElf *o, const CgElfPlaces *to);

#endif
