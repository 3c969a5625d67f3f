/* number.h - decimal numbers in text that others wrote
 *
 * strtod takes more than tables and options mean: blanks before the number, hexadecimal, "inf" and
 * "nan".
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef UM_BASE_NUMBER_H
#define UM_BASE_NUMBER_H

#include <stdbool.h>

#include "base/status.h"

/* um_number_at - a finite decimal number at *p: "1", "-0.5", ".5", "1e3"; nothing before it. *p is
 * moved behind it. false: there is none */
UM_API bool um_number_at(const char **p, double *x);

/* um_mark_at - the comma, or whatever parts numbers, at *p, and blanks behind it: *p is moved
 * behind them. false: something else */
UM_API bool um_mark_at(const char **p, char mark);

#endif
