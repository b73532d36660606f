/* Lack of memory in jansson, detected by its allocator. */
#ifndef FD_BASE_JSON_MEMORY_H
#define FD_BASE_JSON_MEMORY_H

/* Makes the functions of base/json.h detect every lack of memory. jansson does not report all of it: its string buffer drops
 * characters that it has no memory for, and formatting numbers resets errno. Called once, first in main: jansson has one
 * allocator per process, which belongs to the program and not to a library in it, and memory must be released by the functions
 * of the allocator that it came from. */
void fd_json_watch_memory(void);

#endif
