/* file.h - whole files in, and output files that appear under their name only when complete */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_BASE_FILE_H
#define UM_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* um_file_read - the whole of a regular file (not a directory, FIFO or device) into the arena, with
 * a NUL after the last byte. UM_EMISSING: no such file; UM_EIO; UM_EFORMAT: not a regular file;
 * UM_ERANGE: larger than max bytes; UM_EUSAGE as um_outfile_spares. The message names the path. */
UM_API UM_RESULT_USED int um_file_read(struct um_arena *arena, const char *path, size_t max,
                                       uint8_t **data, size_t *n);

/* An output. Written to a temporary name beside the target and renamed by um_outfile_close(st = 0);
 * with st < 0 the temporary is removed and st returned, so that no half-written file ever carries
 * the final name. A target that exists and is not a regular file (device, FIFO) is opened as it is;
 * symbolic links are followed first. path NULL or "-": standard output; /dev/stdout, /dev/stderr,
 * /dev/fd/N: that descriptor, written on from where it stands. Messages name the path as
 * it was given, whatever it leads to. */
struct um_outfile;
UM_API UM_RESULT_USED int um_outfile_open(struct um_outfile **f, const char *path);
/* um_outfile_wrap - the same over a descriptor that is open already and stays open (fd 2, say) */
UM_API UM_RESULT_USED int um_outfile_wrap(struct um_outfile **f, int fd);
UM_API UM_RESULT_USED int um_outfile_write(struct um_outfile *f, const void *data, size_t n);
UM_API UM_RESULT_USED int um_outfile_printf(struct um_outfile *f, const char *fmt, ...)
    UM_PRINTF(2, 3);
UM_API UM_RESULT_USED int um_outfile_flush(struct um_outfile *f);
UM_API int                um_outfile_fd(const struct um_outfile *f);
/* flushes, fsyncs if sync, renames; returns st, or its own failure. Takes NULL. */
UM_API UM_RESULT_USED int um_outfile_close(struct um_outfile *f, int st, int sync);

/* um_outfile_spares - whether the file that `path` was opened as may be read: UM_EUSAGE if an
 * output that is open now is to take its place. For whoever opens files that a user named, images
 * and such; a stream may well be replaced by what is made of it. Any thread. */
struct stat;
UM_API UM_RESULT_USED int um_outfile_spares(const char *path, const struct stat *sb);

/* um_outfile_unlink_all - remove the temporary files of all outputs that are open now. For a signal
 * handler that ends the process: async-signal-safe, takes no lock. Of more than 1024 outputs open
 * at once the later ones are not known to it. */
UM_API void um_outfile_unlink_all(void);

/* um_mkdirs - the folder and its parents; UM_OK if it is there already */
UM_API UM_RESULT_USED int um_mkdirs(const char *path);

#endif
