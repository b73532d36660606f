/* The version of this build: the release, or the commit it was built from. */
#ifndef FD_BASE_VERSION_H
#define FD_BASE_VERSION_H

const char *fd_version(void);

#endif
