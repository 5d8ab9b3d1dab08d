/* What the loader and other linkers read of a library: symbols, their hash, versions, pointers to move, segments, sections. Those of
 * the base are kept and go on behind it. Where they were there is room for more segments: they stay at the begin, as other tools want it.
 *
 * The file: base | CONST | CODE | DATA | META: symbols, names, versions, hash, pointers, numbers | symbols of debuggers, sections */
#include "codegen/object/shared_priv.h"
#include "codegen/target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the base -------------------------------------------------------------------------------------------------- */

static const Elf64_Shdr *section_of(const SharedBase *b, uint32_t type) {
  for (int k = 0; k < b->eh->e_shnum; k++)
    if (b->sh[k].sh_type == type) return &b->sh[k];
  return NULL;
}

static const Elf64_Shdr *section_at(const SharedBase *b, Elf64_Addr at, uint32_t type) {
  for (int k = 0; k < b->eh->e_shnum; k++)
    if (b->sh[k].sh_type == type && b->sh[k].sh_addr == at) return &b->sh[k];
  return NULL;
}

static const Elf64_Dyn *dynamic(const SharedBase *b, Elf64_Sxword tag) {
  for (const Elf64_Dyn *d = b->dyn; d->d_tag != DT_NULL; d++)
    if (d->d_tag == tag) return d;
  return NULL;
}

static void open_segments(SharedBase *b) {
  for (int k = 0; k < b->eh->e_phnum; k++) {
    const Elf64_Phdr *h = &b->ph[k];
    const int64_t end = (int64_t)(h->p_vaddr + h->p_memsz);
    if (h->p_type == PT_LOAD && end > b->end) b->end = end;
    if (h->p_type == PT_DYNAMIC) b->dyn = (const Elf64_Dyn *)(b->p + h->p_offset), b->dyn_at = h->p_offset;
  }
}

/* Whether nothing but lists that move stands where more segments will. */
static bool has_room(const SharedBase *b) {
  const size_t from = b->eh->e_phoff, to = from + (b->eh->e_phnum + (size_t)SHARED_SEGMENTS) * sizeof *b->ph;
  for (int k = 1; k < b->eh->e_shnum; k++) {
    const Elf64_Shdr *s = &b->sh[k];
    const bool list = s->sh_type == SHT_DYNSYM || s->sh_type == SHT_GNU_HASH || s->sh_type == SHT_GNU_versym ||
                      (s->sh_type == SHT_STRTAB && (s->sh_flags & SHF_ALLOC));
    if (!list && s->sh_type != SHT_NOBITS && s->sh_offset < to && s->sh_offset + s->sh_size > from) return false;
  }
  return true;
}

bool cg_shared_base_open(Shared *l) {
  SharedBase *b = &l->base;
  *b = (SharedBase){.p = l->s->base, .n = l->s->base_size};
  const CgElf o = {.p = b->p, .n = b->n};
  b->eh = cg_elf_part(&o, 0, 1, sizeof *b->eh, 1);
  if (!b->eh || b->eh->e_type != ET_DYN || b->eh->e_machine != cg_elf_machine()) return cg_shared_fail(l, "its base is none", "");
  b->ph = cg_elf_part(&o, b->eh->e_phoff, b->eh->e_phnum, sizeof *b->ph, 8);
  b->sh = cg_elf_part(&o, b->eh->e_shoff, b->eh->e_shnum, sizeof *b->sh, 8);
  if (!b->ph || !b->sh) return cg_shared_fail(l, "its base is cut off", "");
  open_segments(b);
  const Elf64_Shdr *s = section_of(b, SHT_SYMTAB);
  if (!b->dyn || !s) return cg_shared_fail(l, "its base has no symbols", "");
  b->sym = cg_elf_part(&o, s->sh_offset, s->sh_size, 1, 8), b->nsym = (uint32_t)(s->sh_size / sizeof *b->sym);
  b->nlocal = s->sh_info, b->str = cg_elf_part(&o, b->sh[s->sh_link].sh_offset, b->sh[s->sh_link].sh_size, 1, 1);
  const Elf64_Sxword needed[] = {DT_SYMTAB, DT_STRTAB, DT_STRSZ, DT_GNU_HASH, DT_VERSYM, DT_RELA, DT_RELASZ, DT_SONAME};
  for (size_t k = 0; k < sizeof needed / sizeof *needed; k++)
    if (!dynamic(b, needed[k])) return cg_shared_fail(l, "its base lacks what the loader reads", "");
  return b->sym && b->str && !dynamic(b, DT_HASH) && has_room(b) ? true : cg_shared_fail(l, "its base is of another form", "");
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *s) {
  uint32_t h = 5381;
  while (*s) h = 33 * h + (unsigned char)*s++;
  return h;
}

/* Names that are shown, in the order of their hash's bucket. */
typedef struct Shown {
  SharedName *name;
  uint32_t n, buckets;
} Shown;

static int by_bucket(const void *a, const void *b, void *ctx) {
  const uint32_t n = *(const uint32_t *)ctx;
  const SharedName *x = a, *y = b;
  const uint32_t i = hash_of(x->name) % n, j = hash_of(y->name) % n;
  return i != j ? (i > j) - (i < j) : strcmp(x->name, y->name);
}

static bool find_shown(Shared *l, Shown *out) {
  const CgShared *s = l->s;
  *out = (Shown){base_zeroed((size_t)s->nshown, sizeof *out->name), (uint32_t)s->nshown, (uint32_t)s->nshown / 2 + 1};
  const int64_t data = l->seg[SHARED_DATA].at + (int64_t)l->data;
  for (int k = 0; k < s->nshown; k++) {
    const CgShown *x = &s->shown[k];
    SharedName room, *to = &out->name[k];
    const SharedName *found = x->symbol ? cg_shared_find(l, x->symbol, &room) : NULL;
    if (x->symbol && !found) return cg_shared_fail(l, "there is no ", x->symbol);
    if (found) *to = *found;
    else *to = (SharedName){NULL, data + (int64_t)x->at, (int64_t)x->size, cg_shared_section(l, SHARED_DATA), false};
    to->name = x->name;
  }
  qsort_r(out->name, out->n, sizeof *out->name, by_bucket, &out->buckets);
  return true;
}

/* ---- META ---------------------------------------------------------------------------------------------------------- */

/* Where its lists begin, in META, and how long they are. */
typedef struct List {
  size_t at, n;
} List;
typedef struct Lists {
  List symbols, names, hash, versions, pointers, numbers;
  uint32_t nbase, soname; /* symbols of the base; the library's name among the names */
  size_t relative;        /* of the pointers: how many move with the library */
} Lists;

/* A list of the base, with room for more behind it. */
static List go_on(Shared *l, const Elf64_Shdr *of, size_t before, size_t behind, size_t align) {
  CgBytes *b = &l->seg[SHARED_META].bytes;
  const List out = {cg_shared_room(b, before + of->sh_size + behind, align), before + of->sh_size + behind};
  memcpy(b->at + out.at + before, l->base.p + of->sh_offset, of->sh_size);
  return out;
}

static void put_symbols(Shared *l, const Shown *shown, Lists *m) {
  const SharedBase *b = &l->base;
  const Elf64_Shdr *sym = section_of(b, SHT_DYNSYM), *str = &b->sh[sym->sh_link], *ver = section_of(b, SHT_GNU_versym);
  CgBytes *meta = &l->seg[SHARED_META].bytes;
  size_t text = strlen(l->s->soname) + 1;
  for (uint32_t k = 0; k < shown->n; k++) text += strlen(shown->name[k].name) + 1;
  m->nbase = (uint32_t)(sym->sh_size / sizeof(Elf64_Sym));
  m->symbols = go_on(l, sym, 0, shown->n * sizeof(Elf64_Sym), 8);
  m->names = go_on(l, str, 0, text, 1);
  m->versions = go_on(l, ver, 0, shown->n * sizeof(Elf64_Versym), 2);
  Elf64_Sym *to = (Elf64_Sym *)(void *)(meta->at + m->symbols.at) + m->nbase;
  Elf64_Versym *version = (Elf64_Versym *)(void *)(meta->at + m->versions.at) + m->nbase;
  char *names = meta->at + m->names.at;
  m->soname = (uint32_t)str->sh_size;
  uint32_t at = m->soname + (uint32_t)strlen(strcpy(names + m->soname, l->s->soname)) + 1;
  for (uint32_t k = 0; k < shown->n; k++) {
    const SharedName *x = &shown->name[k];
    to[k] = (Elf64_Sym){.st_name = at,
                        .st_info = ELF64_ST_INFO(STB_GLOBAL, x->code ? STT_FUNC : STT_OBJECT),
                        .st_shndx = x->section,
                        .st_value = (Elf64_Addr)x->at,
                        .st_size = (Elf64_Xword)x->size};
    version[k] = VER_NDX_GLOBAL;
    at += (uint32_t)strlen(strcpy(names + at, x->name)) + 1;
  }
}

/* As DT_GNU_HASH has it: buckets, the first symbol, a Bloom filter, then the hashes with a mark at the end of a bucket. */
static void put_hash(Shared *l, const Shown *shown, Lists *m) {
  enum { SHIFT = 6, WORD = 64 };
  CgBytes *meta = &l->seg[SHARED_META].bytes;
  uint32_t words = 1;
  while (words * 8 < shown->n) words *= 2;
  m->hash.n = 16 + 8 * words + 4 * ((size_t)shown->buckets + shown->n);
  m->hash.at = cg_shared_room(meta, m->hash.n, 8);
  uint32_t *head = (uint32_t *)(void *)(meta->at + m->hash.at), *bucket, *chain;
  uint64_t *bloom = (uint64_t *)(void *)(head + 4);
  head[0] = shown->buckets, head[1] = m->nbase, head[2] = words, head[3] = SHIFT;
  bucket = (uint32_t *)(void *)(bloom + words), chain = bucket + shown->buckets;
  for (uint32_t k = 0; k < shown->n; k++) {
    const uint32_t h = hash_of(shown->name[k].name), of = h % shown->buckets;
    const bool last = k + 1 == shown->n || hash_of(shown->name[k + 1].name) % shown->buckets != of;
    bloom[h / WORD % words] |= (uint64_t)1 << h % WORD | (uint64_t)1 << (h >> SHIFT) % WORD;
    if (!bucket[of]) bucket[of] = m->nbase + k;
    chain[k] = (h & ~1u) | last;
  }
}

/* Those that move with the library come first, ours before the base's. Numbers stand behind them all. */
static void put_pointers(Shared *l, Lists *m) {
  const Elf64_Dyn *count = dynamic(&l->base, DT_RELACOUNT);
  CgBytes *meta = &l->seg[SHARED_META].bytes;
  size_t more = l->relative.n;
  for (uint32_t k = 0; k < l->s->data->pointer.n; k++) more += l->s->data->pointer.at[k].kind == CG_TO_NUMBERS;
  m->relative = more + (count ? count->d_un.d_val : 0);
  m->pointers = go_on(l, section_at(&l->base, dynamic(&l->base, DT_RELA)->d_un.d_ptr, SHT_RELA), more * sizeof(Elf64_Rela), 0, 8);
  m->numbers.at = cg_shared_room(meta, 0, 64);
  for (int k = 0; k < l->s->nnumbers; k++) m->numbers.n += l->s->numbers[k].n;
  for (uint32_t k = 0; k < l->s->data->pointer.n; k++) {
    const CgPointer *p = &l->s->data->pointer.at[k];
    if (p->kind == CG_TO_NUMBERS)
      cg_shared_pointer(l, l->seg[SHARED_DATA].at + (int64_t)(l->data + p->at), l->seg[SHARED_META].at + (int64_t)m->numbers.at);
  }
  memcpy(meta->at + m->pointers.at, l->relative.at, more * sizeof(Elf64_Rela));
}

static void put_segments(const Shared *l, const Lists *m, Elf64_Phdr *to) {
  static const uint32_t flags[SHARED_SEGMENTS] = {PF_R, PF_R | PF_X, PF_R | PF_W, PF_R};
  for (int k = 0; k < SHARED_SEGMENTS; k++) {
    const size_t n = k == SHARED_META ? m->numbers.at + m->numbers.n : l->seg[k].bytes.n;
    to[k] = (Elf64_Phdr){.p_type = PT_LOAD,
                         .p_flags = flags[k],
                         .p_offset = cg_shared_offset(l, (SharedKind)k),
                         .p_vaddr = (Elf64_Addr)l->seg[k].at,
                         .p_paddr = (Elf64_Addr)l->seg[k].at,
                         .p_filesz = n,
                         .p_memsz = n,
                         .p_align = SHARED_PAGE};
  }
}

/* ---- what is not loaded: symbols of debuggers, sections --------------------------------------------------------------- */

typedef struct Tail {
  CgBytes bytes;
  size_t at;       /* in the file */
  size_t sections; /* in the bytes */
} Tail;

/* Compiled functions stand among the symbols that nobody else can see. */
static void put_debug(Shared *l, Tail *t, Elf64_Shdr *sym, Elf64_Shdr *str, size_t *sym_at, size_t *str_at) {
  const SharedBase *b = &l->base;
  size_t text = str->sh_size;
  for (uint32_t k = 0; k < l->name.n; k++) text += strlen(l->name.at[k].name) + 1;
  *sym_at = cg_shared_room(&t->bytes, (b->nsym + l->name.n) * sizeof *b->sym, 8);
  *str_at = cg_shared_room(&t->bytes, text, 1);
  Elf64_Sym *to = (Elf64_Sym *)(void *)(t->bytes.at + *sym_at);
  char *names = t->bytes.at + *str_at;
  memcpy(to, b->sym, b->nlocal * sizeof *to);
  memcpy(to + b->nlocal + l->name.n, b->sym + b->nlocal, (b->nsym - b->nlocal) * sizeof *to);
  memcpy(names, b->str, str->sh_size);
  size_t at = str->sh_size;
  for (uint32_t k = 0; k < l->name.n; k++) {
    const SharedName *x = &l->name.at[k];
    to[b->nlocal + k] = (Elf64_Sym){.st_name = (uint32_t)at,
                                    .st_info = ELF64_ST_INFO(STB_LOCAL, x->code ? STT_FUNC : STT_OBJECT),
                                    .st_shndx = x->section,
                                    .st_value = (Elf64_Addr)x->at,
                                    .st_size = (Elf64_Xword)x->size};
    at += strlen(strcpy(names + at, x->name)) + 1;
  }
  sym->sh_offset = t->at + *sym_at, sym->sh_size = (b->nsym + l->name.n) * sizeof *to, sym->sh_info = b->nlocal + l->name.n;
  str->sh_offset = t->at + *str_at, str->sh_size = text;
}

static void moved(const Shared *l, Elf64_Shdr *s, List to) {
  s->sh_addr = (Elf64_Addr)l->seg[SHARED_META].at + to.at;
  s->sh_offset = cg_shared_offset(l, SHARED_META) + to.at;
  s->sh_size = to.n;
}

/* Lists of the base that went on are where they are now; four sections of our own are behind them. */
static void put_sections(Shared *l, const Lists *m, Tail *t) {
  static const char *const name[SHARED_SEGMENTS] = {".model.rodata", ".model.text", ".model.data", ".model.numbers"};
  static const uint64_t flags[SHARED_SEGMENTS] = {SHF_ALLOC, SHF_ALLOC | SHF_EXECINSTR, SHF_ALLOC | SHF_WRITE, SHF_ALLOC};
  const SharedBase *b = &l->base;
  const int n = b->eh->e_shnum;
  Elf64_Shdr *to = base_zeroed((size_t)n + SHARED_SEGMENTS, sizeof *to);
  memcpy(to, b->sh, (size_t)n * sizeof *to);
  size_t sym_at, str_at;
  const Elf64_Shdr *dynsym = section_of(b, SHT_DYNSYM);
  moved(l, &to[dynsym - b->sh], m->symbols);
  moved(l, &to[dynsym->sh_link], m->names);
  moved(l, &to[section_of(b, SHT_GNU_HASH) - b->sh], m->hash);
  moved(l, &to[section_of(b, SHT_GNU_versym) - b->sh], m->versions);
  moved(l, &to[section_at(b, dynamic(b, DT_RELA)->d_un.d_ptr, SHT_RELA) - b->sh], m->pointers);
  Elf64_Shdr *sym = &to[section_of(b, SHT_SYMTAB) - b->sh], *names = &to[b->eh->e_shstrndx];
  put_debug(l, t, sym, &to[sym->sh_link], &sym_at, &str_at);
  size_t text = names->sh_size, old = text;
  for (int k = 0; k < SHARED_SEGMENTS; k++) text += strlen(name[k]) + 1;
  const size_t text_at = cg_shared_room(&t->bytes, text, 1);
  char *put = t->bytes.at + text_at;
  memcpy(put, b->p + names->sh_offset, old);
  names->sh_offset = t->at + text_at, names->sh_size = text;
  for (int k = 0; k < SHARED_SEGMENTS; k++) {
    const size_t before = k == SHARED_META ? m->numbers.at : 0;
    to[n + k] = (Elf64_Shdr){.sh_name = (uint32_t)old,
                             .sh_type = SHT_PROGBITS,
                             .sh_flags = flags[k],
                             .sh_addr = (Elf64_Addr)l->seg[k].at + before,
                             .sh_offset = cg_shared_offset(l, (SharedKind)k) + before,
                             .sh_size = k == SHARED_META ? m->numbers.n : l->seg[k].bytes.n,
                             .sh_addralign = 64};
    old += strlen(strcpy(put + old, name[k])) + 1;
  }
  t->sections = cg_shared_room(&t->bytes, ((size_t)n + SHARED_SEGMENTS) * sizeof *to, 8);
  memcpy(t->bytes.at + t->sections, to, ((size_t)n + SHARED_SEGMENTS) * sizeof *to);
  base_free(to);
}

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

/* The base, which says where its lists are now. */
static char *changed_base(const Shared *l, const Lists *m, const Tail *t) {
  const int64_t meta = l->seg[SHARED_META].at;
  const Elf64_Xword value[][2] = {{DT_SYMTAB, (Elf64_Xword)meta + m->symbols.at},
                                  {DT_STRTAB, (Elf64_Xword)meta + m->names.at},
                                  {DT_STRSZ, m->names.n},
                                  {DT_GNU_HASH, (Elf64_Xword)meta + m->hash.at},
                                  {DT_VERSYM, (Elf64_Xword)meta + m->versions.at},
                                  {DT_RELA, (Elf64_Xword)meta + m->pointers.at},
                                  {DT_RELASZ, m->pointers.n},
                                  {DT_RELACOUNT, m->relative},
                                  {DT_SONAME, m->soname}};
  char *out = base_realloc(NULL, l->base.n);
  memcpy(out, l->base.p, l->base.n);
  Elf64_Ehdr *eh = (Elf64_Ehdr *)(void *)out;
  put_segments(l, m, (Elf64_Phdr *)(void *)(out + eh->e_phoff) + eh->e_phnum);
  eh->e_phnum = (Elf64_Half)(eh->e_phnum + SHARED_SEGMENTS);
  eh->e_shoff = t->at + t->sections;
  eh->e_shnum = (Elf64_Half)(eh->e_shnum + SHARED_SEGMENTS);
  for (Elf64_Dyn *d = (Elf64_Dyn *)(void *)(out + l->base.dyn_at); d->d_tag != DT_NULL; d++)
    for (size_t k = 0; k < sizeof value / sizeof *value; k++)
      if ((Elf64_Xword)d->d_tag == value[k][0]) d->d_un.d_val = value[k][1];
  return out;
}

typedef struct Writer {
  FILE *out;
  size_t at;
  bool ok;
} Writer;

static void put(Writer *w, const void *p, size_t n) { w->ok = w->ok && fwrite(p, 1, n, w->out) == n, w->at += n; }

static void put_until(Writer *w, size_t at) {
  while (w->ok && w->at < at) w->ok = putc(0, w->out) != EOF, w->at++;
}

static bool put_all(const Shared *l, const Lists *m, const Tail *t, FILE *out) {
  Writer w = {out, 0, true};
  char *base = changed_base(l, m, t);
  put(&w, base, l->base.n);
  base_free(base);
  for (int k = 0; k < SHARED_SEGMENTS; k++) {
    put_until(&w, cg_shared_offset(l, (SharedKind)k));
    put(&w, l->seg[k].bytes.at, l->seg[k].bytes.n);
  }
  put_until(&w, cg_shared_offset(l, SHARED_META) + m->numbers.at);
  for (int k = 0; k < l->s->nnumbers; k++) put(&w, l->s->numbers[k].p, l->s->numbers[k].n);
  put_until(&w, t->at);
  put(&w, t->bytes.at, t->bytes.n);
  return w.ok;
}

bool cg_shared_write(Shared *l, FILE *out) {
  Shown shown;
  Lists m = {0};
  if (!find_shown(l, &shown)) return base_free(shown.name), false;
  put_symbols(l, &shown, &m);
  put_hash(l, &shown, &m);
  put_pointers(l, &m);
  Tail t = {.at = (cg_shared_offset(l, SHARED_META) + m.numbers.at + m.numbers.n + 63) / 64 * 64};
  put_sections(l, &m, &t);
  const bool ok = put_all(l, &m, &t, out);
  if (!ok) cg_shared_fail(l, "", strerror(errno));
  base_free(t.bytes.at);
  base_free(shown.name);
  return ok;
}
