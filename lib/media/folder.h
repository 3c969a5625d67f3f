/* folder.h - the files in a folder, and the beginnings of them */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_FOLDER_H
#define UM_MEDIA_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum { UM_FOLDER_MAX = 20000 }; /* entries; a folder with more is refused */

/* what lies in a folder: regular files, links to such, sorted by the bytes of their names. Names
 * that begin with a dot, Thumbs.db and desktop.ini are left out. */
struct um_folder {
    const char  *path; /* the caller's */
    const char **name;
    int64_t      n;
    int64_t      folders, others; /* subfolders; FIFOs, devices, links that lead nowhere */
};

/* um_folder_list - names in the arena. UM_EMISSING, UM_EIO; UM_ERANGE: more than UM_FOLDER_MAX
 * entries, of which no more are looked at; UM_ENOMEM. The message names the folder. */
UM_API UM_RESULT_USED int um_folder_list(struct um_arena *a, const char *path, struct um_folder *f);

/* um_folder_path - of file i, in the arena; NULL: no memory */
UM_API const char *um_folder_path(struct um_arena *a, const struct um_folder *f, int64_t i);

/* um_file_head - the first bytes of a regular file, `most` at most: *n of its *total bytes. Errors
 * as um_file_read's. */
UM_API UM_RESULT_USED int um_file_head(const char *path, uint8_t *head, size_t most, size_t *n,
                                       size_t *total);

#endif
