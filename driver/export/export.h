#ifndef HNNC_DRIVER_EXPORT_EXPORT_H
#define HNNC_DRIVER_EXPORT_EXPORT_H

#include "driver/session/session.h"

/* Writes the native model beside the file, or as --out says: NAME.so and NAME.h, self-contained. 0 or
 * the exit code after messages. */
int export_library(Session *s, bool library, bool header);
/* The functions of the command line as one ONNX file, or each function as a file of its own. 0 or the exit code after messages. */
int export_onnx(Session *s);

#endif
