/* gnuplot.h - a figure to a picture, by gnuplot
 *
 * gnuplot is started from PATH without a shell and without anybody's start-up files, and reads
 * commands and data from a socket; nothing is written to disk but the picture.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_PLOT_GNUPLOT_H
#define UM_PLOT_GNUPLOT_H

#include "base/file.h"
#include "plot/figure.h"

enum um_picture { UM_PICTURE_PNG, UM_PICTURE_SVG, UM_PICTURE_TEXT };

struct um_gnuplot_opts {
    enum um_picture as;
    int width, height; /* pixels of all; of text: characters of each panel; 0: as it fits */
};

/* um_gnuplot_script - the commands and data that draw f (what um_gnuplot_draw sends), with a NUL
 * after *n bytes; free it. Names in it are single-quoted, without
 * quotes inside: gnuplot runs nothing from them.
 * UM_ENOMEM. */
UM_API UM_RESULT_USED int um_gnuplot_script(const struct um_figure       *f,
                                            const struct um_gnuplot_opts *o, char **script,
                                            size_t *n);

/* um_gnuplot_run - the output of gnuplot for a script; free *out, also on error (NULL: none)
 *
 * note [len]: the last line gnuplot said on standard error, "" if none; it also warns there of
 * what is no failure. UM_EMISSING: no gnuplot; UM_EIO: it could not be started, failed (its last
 * line is in the message), was ended by a signal, or wrote nothing; UM_ENOMEM. */
UM_API UM_RESULT_USED int um_gnuplot_run(const char *script, size_t n, char **out, size_t *nout,
                                         char *note, size_t len);

/* um_gnuplot_draw - both, into out; nothing is written unless gnuplot has done all. */
UM_API UM_RESULT_USED int um_gnuplot_draw(const struct um_figure       *f,
                                          const struct um_gnuplot_opts *o, struct um_outfile *out,
                                          char *note, size_t len);

#endif
