/* JSON files of results: read whole, written durably, and formatted for human readers. */
#ifndef FD_OUTPUT_JSON_FILE_H
#define FD_OUTPUT_JSON_FILE_H

#include <jansson.h>

#include "base/error.h"

/* Reads the object of a file, to be released with json_decref; NULL and FD_OK if there is no such file. A damaged file is FD_DATA
 * with file:line:column. */
fd_status fd_json_read(const char *path, json_t **object) FD_MUST_CHECK;

/* Writes an object durably: indented, with lists of plain numbers on one line. NULL, the value of an object
 * that could not be built, fails as in fd_json_built (base/json.h): FD_MEMORY or FD_DATA. */
fd_status fd_json_write(const char *path, const json_t *object) FD_MUST_CHECK;

#endif
