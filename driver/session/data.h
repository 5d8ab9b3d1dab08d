#ifndef HNNC_DRIVER_SESSION_DATA_H
#define HNNC_DRIVER_SESSION_DATA_H

#include "driver/session/session.h"

/* Makes a data set, in f64 and in the model's precision, and those it is made of, in f64; 0 or the exit code. */
int data_make(Session *s, const Data *d);
const RtSet *data_set(Session *s, const Data *d);    /* in f64 */
const RtSet *data_native(Session *s, const Data *d); /* in the model's precision */

RtSet *data_empty(Session *s, const Data *d, int64_t n); /* room for n samples, to be filled: it is then made; NULL: no memory */

enum { DATA_HASH = 40 };
/* Of the contents of every file that the model reads, into out; each (or NULL) is told that of each file, which is read once. */
typedef void DataFileHash(void *ctx, const char *path, const char hash[DATA_HASH]);
void data_fingerprint(const Session *s, DataFileHash *each, void *ctx, char out[DATA_HASH]);
void data_file_fingerprint(const char *path, char out[DATA_HASH]);
struct XXH3_state_s;
bool data_hash_file(struct XXH3_state_s *state, const char *path); /* false: it cannot be read whole */

#endif
