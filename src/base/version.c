/* The version of this build; the only file that is recompiled when only the commit changes. */
#include "base/version.h"

#include "build_version.h"

const char *fd_version(void) { return FD_VERSION; }
