/* Between shared.c, which lays out and links, and dynamic.c, which writes what the loader reads. */
#ifndef HNNC_CODEGEN_OBJECT_SHARED_PRIV_H
#define HNNC_CODEGEN_OBJECT_SHARED_PRIV_H

#include "codegen/object/elf_priv.h"
#include "codegen/object/shared.h"

/* Pages of any size that the machine can have. */
#ifdef __aarch64__
enum { SHARED_PAGE = 65536, SHARED_RELATIVE = R_AARCH64_RELATIVE };
#else
enum { SHARED_PAGE = 4096, SHARED_RELATIVE = R_X86_64_RELATIVE };
#endif

/* The segments behind those of the base, in this order. Numbers may be long: what the code reads comes before. */
typedef enum { SHARED_CONST, SHARED_CODE, SHARED_DATA, SHARED_META, SHARED_SEGMENTS } SharedKind;

typedef struct SharedSegment {
  CgBytes bytes; /* of META: what stands before the numbers */
  int64_t at;    /* its address */
} SharedSegment;

/* A function or an array that has a name. */
typedef struct SharedName {
  const char *name;
  int64_t at, size;
  uint16_t section; /* number of the section header */
  bool code;
} SharedName;

typedef struct SharedBase {
  const char *p;
  size_t n;
  const Elf64_Ehdr *eh;
  const Elf64_Phdr *ph;
  const Elf64_Shdr *sh;
  const Elf64_Dyn *dyn;
  size_t dyn_at;        /* in the file */
  const Elf64_Sym *sym; /* all that has a name */
  uint32_t nsym, nlocal;
  const char *str;
  int64_t end; /* the address behind all of it */
} SharedBase;

typedef struct Shared {
  const CgShared *s;
  SharedBase base;
  SharedSegment seg[SHARED_SEGMENTS];
  size_t first;             /* place of the first segment in the file */
  VEC(SharedName) name;     /* that compiled objects define */
  VEC(Elf64_Rela) relative; /* pointers whose place moves with the library */
  size_t data;              /* place of the data in its segment */
  char *err;
  size_t errsize;
} Shared;

bool cg_shared_fail(Shared *l, const char *what, const char *name); /* false */
bool cg_shared_base_open(Shared *l);
/* The name as compiled objects have it, or the base. NULL: nobody has. */
const SharedName *cg_shared_find(Shared *l, const char *name, SharedName *room);
/* n bytes of zeros at the end of b, on `align`: where they begin. */
size_t cg_shared_room(CgBytes *b, size_t n, size_t align);
/* Where the segment is in the file: as far behind the first as in memory. */
static inline size_t cg_shared_offset(const Shared *l, SharedKind kind) {
  return l->first + (size_t)(l->seg[kind].at - l->seg[SHARED_CONST].at);
}
void cg_shared_pointer(Shared *l, int64_t at, int64_t to);
/* Section headers behind those of the base: one for each segment. */
static inline uint16_t cg_shared_section(const Shared *l, SharedKind kind) { return (uint16_t)(l->base.eh->e_shnum + kind); }
/* Writes META, and the file. */
bool cg_shared_write(Shared *l, FILE *out);

#endif
