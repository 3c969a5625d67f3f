/* font.c - each glyph is seven rows from the top; a row is five bits, written as one digit 0-9a-v
 * (16: leftmost pixel); g, p, q and y stand two rows lower
 * SPDX-License-Identifier: Apache-2.0
 */
#include "picture/font.h"

/* clang-format off */
static const char glyph[95][8] = {
    "0000000", "4444404", "aa00000", "aavavaa", "4fke5u4", "op248j3", "cik8lid", "4400000", /*  !"#$%&' */
    "2488842", "8422248", "04lel40", "044v440", "0000648", "000e000", "00000cc", "122488g", /* ()*+,-./ */
    "ehjlphe", "4c4444e", "eh1248v", "v2421he", "26aiv22", "vgu11he", "68guhhe", "v124888", /* 01234567 */
    "ehhehhe", "ehhf12c", "0cc0cc0", "0cc0c48", "248g842", "00v0v00", "8421248", "eh12404", /* 89:;<=>? */
    "eh1dlle", "4ahhvhh", "uhhuhhu", "ehggghe", "sihhhis", "vgguggv", "vgguggg", "ehgnhhf", /* @ABCDEFG */
    "hhhvhhh", "e44444e", "72222ic", "hikokih", "ggggggv", "hrllhhh", "hhpljhh", "ehhhhhe", /* HIJKLMNO */
    "uhhuggg", "ehhhlid", "uhhukih", "fgge11u", "v444444", "hhhhhhe", "hhhhha4", "hhhllla", /* PQRSTUVW */
    "hha4ahh", "hhha444", "v1248gv", "e88888e", "g884221", "e22222e", "4ah0000", "000000v", /* XYZ[\]^_ */
    "8420000", "00e1fhf", "ggmphhu", "00egghe", "11djhhf", "00ehvge", "698s888", "fhhhf1e", /* `abcdefg */
    "ggmphhh", "40c444e", "20622ic", "ggikoki", "c44444e", "00qllll", "00mphhh", "00ehhhe", /* hijklmno */
    "uhhhugg", "fhhhf11", "00mpggg", "00fge1u", "88s8896", "00hhhjd", "00hhha4", "00hhlla", /* pqrstuvw */
    "00ha4ah", "hhhhf1e", "00v248v", "2448442", "4444444", "8442448", "008l200"             /* xyz{|}~  */
};
/* clang-format on */

bool um_font_dot(unsigned char c, int x, int y)
{
    const int g = c < ' ' || c > '~' ? '?' - ' ' : c - ' ';

    y -= c == 'g' || c == 'p' || c == 'q' || c == 'y' ? 2 : 0;
    if (x < 0 || x > 4 || y < 0 || y > 6)
        return false; /* the gap to the next letter and line */
    const char d = glyph[g][y];

    return ((d <= '9' ? d - '0' : d - 'a' + 10) >> (4 - x)) & 1;
}
