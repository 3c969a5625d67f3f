/* cli_int.h - what the files of this room share among themselves */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_CLI_INT_H
#define UM_CLI_INT_H

#include "cli/cli.h"

/* options every tool has, after its own: --help, --version, --dump-options */
void um_cli_help(const struct um_tool *tool);
void um_cli_version(const struct um_tool *tool);
void um_cli_dump(const struct um_tool *tool);

/* one line on standard error, "NAME: text", control characters made visible; clears a progress line
 * first. Thread safe. */
void um_cli_line(const char *name, const char *text);

/* the same lock and the same clearing for the progress line itself: text NULL clears it */
void um_cli_status_line(const char *text);

/* temporary files removed when a signal ends the process; descriptors 0..2 are open; a limit on the
 * size of files is an error, not a signal */
void um_cli_signals(void);

#endif
