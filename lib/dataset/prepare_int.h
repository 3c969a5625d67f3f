/* prepare_int.h - one row on its way to a record, between the parts of prepare.h */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_DATASET_PREPARE_INT_H
#define UM_DATASET_PREPARE_INT_H

#include "dataset/prepare.h"
#include "grid/axis.h"
#include "grid/foreground.h"
#include "media/image.h"

struct um_job {
    const struct um_prepare  *p;
    const struct um_manifest *m;
    const struct um_row      *row;
    struct um_arena          *a, *scratch; /* the record; what is needed on the way */
    struct um_prepared       *out;
    struct um_record         *rec;
    const char               *report; /* "" if there is none */
};

/* where the image came to lie, for what must follow it: its mask and its boxes */
struct um_placed {
    bool             volume;
    struct um_grey   grey; /* a picture, and the part of the square that it fills */
    struct um_fit    fit;
    struct um_volume whole; /* a volume as the file has it, the part that is used, and its axes */
    struct um_box3   part;
    struct um_axis   axis[3];
};

const char *um_job_get(const struct um_job *j, enum um_column col); /* "" if not there */
void        um_job_note(struct um_job *j, const char *text);        /* NULL: nothing */
/* the column `levels` into *l, and into meta; an empty field leaves both as they are */
UM_RESULT_USED int um_job_levels(struct um_job *j, struct um_levels *l);
UM_RESULT_USED int um_job_tensor(struct um_job *j, const char *name, enum um_dtype dtype, int ndim,
                                 const int64_t *dim, struct um_tensor *t);

/* image, boxes and their mask; mask: from its own file */
UM_RESULT_USED int um_job_picture(struct um_job *j, const struct um_image *im,
                                  struct um_placed *at);
UM_RESULT_USED int um_job_picture_mask(struct um_job *j, const struct um_image *im,
                                       const struct um_placed *at);
/* volume; mask */
UM_RESULT_USED int um_job_volume(struct um_job *j, const struct um_image *im, struct um_placed *at);
UM_RESULT_USED int um_job_volume_mask(struct um_job *j, const struct um_image *im,
                                      const struct um_placed *at);

#endif
