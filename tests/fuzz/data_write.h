/* Known tables, and the many ways to write them: text, .npy, .npz. */
#ifndef HNNC_TESTS_FUZZ_DATA_WRITE_H
#define HNNC_TESTS_FUZZ_DATA_WRITE_H

#include "tests/fuzz/bytes.h"

enum { MOST_COLUMNS = 6, MOST_ROWS = 12, MOST_ELEMS = 12 };
typedef struct Column {
  char name[16];
  bool text, constant;
  int rank;
  uint32_t dim[3];
  int64_t elems;
  int64_t rows;
  double v[MOST_ROWS * MOST_ELEMS];
} Column;
typedef struct Table {
  int n;
  int64_t rows;
  Column column[MOST_COLUMNS];
} Table;
double fuzz_value(void);
void fuzz_column(Column *c, int i, int64_t rows, int most_rank);
void fuzz_table(Table *t, int most_rank);

typedef struct Style {
  char separator;
  const char *eol;
  int header; /* 0: none, 1: a row, 2: a comment */
  bool bom, comments, quotes, blanks, last_eol;
} Style;
Style fuzz_style(const Table *t);
/* Cell [row, col] is `cell` if that is not NULL; *line becomes the one it stands in. */
void fuzz_write_text(Bytes *b, const Style *s, const Table *t, int64_t row, int col, const char *cell, long *line);

/* Appends an image of v, which is in C order; the type is drawn if it is NULL. Element `odd` becomes a word of its own. */
void fuzz_write_npy(Bytes *b, int rank, const uint32_t *dim, const double *v, int64_t odd, uint64_t odd_word, const char *type);

typedef struct Zip {
  Bytes out, central;
  int n;
} Zip;
/* Stored; as numpy.savez writes it if `wide`, with 64-bit sizes before the member. */
void fuzz_add_member(Zip *z, const char *name, const Bytes *data, bool wide);
void fuzz_end_zip(Zip *z);

#endif
