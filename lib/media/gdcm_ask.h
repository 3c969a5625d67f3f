/* gdcm_ask.h - have a compressed picture decoded by the helper (gdcm.h) */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UM_MEDIA_GDCM_ASK_H
#define UM_MEDIA_GDCM_ASK_H

#include "base/status.h"
#include "media/gdcm.h"

/* um_gdcm_decode - job->bytes bytes at `in`, job->out bytes to `out`
 *
 * Helpers are started when there is no idle one, so as many as there are callers at a time, and
 * stay until the process ends. One that falls, or says nothing for a minute, is ended, and that
 * picture is refused. Thread safe. `name` is the coding's, for messages. Returns UM_OK; UM_EFORMAT:
 * cut, damaged; UM_EUNSUPPORTED: there is no helper; UM_EIO; UM_ENOMEM. */
UM_RESULT_USED int um_gdcm_decode(struct um_gdcm_job *job, const char *name, const void *in,
                                  void *out);

#endif
