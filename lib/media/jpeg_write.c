/* jpeg_write.c - JPEG by libjpeg-turbo, in chunks, straight into the output */
/* SPDX-License-Identifier: Apache-2.0 */
#include "media/jpeg_write.h"

#include <stdbool.h>
#include <stdlib.h>

#include "media/jpeg_trap.h"

enum { SIDE_MAX = 65500, CHUNK = 1 << 14 };

struct job {
    struct jpeg_compress_struct c;
    struct um_jpeg_trap         trap;
    const uint8_t              *pixels;
    struct jpeg_destination_mgr dest;
    struct um_outfile          *f;
    int                         st; /* of writing to f */
    JOCTET                      chunk[CHUNK];
};

static void begin(j_compress_ptr c)
{
    struct job *j = c->client_data;

    j->dest.next_output_byte = j->chunk;
    j->dest.free_in_buffer   = CHUNK;
}

static void put(struct job *j, size_t n)
{
    j->st = um_outfile_write(j->f, j->chunk, n);
    if (j->st < 0)
        longjmp(j->trap.jump, 1);
}

static boolean more(j_compress_ptr c)
{
    put(c->client_data, CHUNK); /* all of it: libjpeg calls this only when the buffer is full */
    begin(c);
    return TRUE;
}

static void end(j_compress_ptr c)
{
    struct job *j = c->client_data;

    put(j, CHUNK - j->dest.free_in_buffer);
}

/* false: libjpeg gave up, and trap.text says why. Nothing but *j changes after setjmp. */
static bool compress(struct job *j, int w, int h, int quality)
{
    j->c.err = um_jpeg_trap_set(&j->trap, 0);
    if (setjmp(j->trap.jump)) {
        jpeg_destroy_compress(&j->c);
        return false;
    }
    jpeg_create_compress(&j->c);
    j->c.client_data            = j;
    j->c.dest                   = &j->dest;
    j->dest.init_destination    = begin;
    j->dest.empty_output_buffer = more;
    j->dest.term_destination    = end;
    j->c.image_width            = (JDIMENSION)w;
    j->c.image_height           = (JDIMENSION)h;
    j->c.input_components       = 1;
    j->c.in_color_space         = JCS_GRAYSCALE;
    jpeg_set_defaults(&j->c);
    jpeg_set_quality(&j->c, quality, TRUE);
    j->c.dct_method      = JDCT_ISLOW;
    j->c.optimize_coding = TRUE;
    jpeg_start_compress(&j->c, TRUE);
    while (j->c.next_scanline < j->c.image_height) {
        JSAMPROW row = (JSAMPROW)j->pixels + (size_t)j->c.next_scanline * (size_t)w;

        (void)jpeg_write_scanlines(&j->c, &row, 1);
    }
    jpeg_finish_compress(&j->c);
    jpeg_destroy_compress(&j->c);
    return true;
}

int um_jpeg_write(struct um_outfile *f, const uint8_t *grey, int w, int h, int quality)
{
    struct job *j;
    int         st;

    if (w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX || quality < 1 || quality > 100)
        return um_fail(UM_ERANGE, "JPEG: %d x %d pixels at quality %d: cannot be written", w, h,
                       quality);
    j = calloc(1, sizeof *j);
    if (!j)
        return um_fail(UM_ENOMEM, "JPEG: out of memory");
    j->pixels = grey;
    j->f      = f;
    st        = UM_OK;
    if (!compress(j, w, h, quality))
        st = j->st < 0 ? j->st : um_fail(UM_ENOMEM, "JPEG: %s", j->trap.text);
    free(j);
    return st;
}
