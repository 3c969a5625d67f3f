/* gdcm.cpp - the helper libexec/um/gdcm: JPEG 2000, JPEG-LS, lossless and 12-bit JPEG by GDCM
 *
 * GDCM's parser of files is not used: it takes memory for whatever length a file claims. It gets
 * one codestream at a time, whose header was checked (dicom_codec.c), and the size that must come
 * out. SPDX-License-Identifier: Apache-2.0
 */
#include "media/gdcm.h"

#include <cstdio>
#include <exception>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <gdcmBitmap.h>
#include <gdcmFragment.h>
#include <gdcmSequenceOfFragments.h>
#include <gdcmTrace.h>

namespace
{

constexpr rlim_t ROOM = rlim_t(4) << 30; /* bytes the codecs may take */

void describe(gdcm::Bitmap &image, const um_gdcm_job &job)
{
    const auto stored = static_cast<unsigned short>(job.stored);

    image.SetNumberOfDimensions(2);
    image.SetDimension(0, job.columns);
    image.SetDimension(1, job.rows);
    image.SetPixelFormat(gdcm::PixelFormat(static_cast<unsigned short>(job.samples),
                                           static_cast<unsigned short>(job.allocated), stored,
                                           static_cast<unsigned short>(stored - 1),
                                           static_cast<unsigned short>(job.is_signed)));
    image.SetPhotometricInterpretation(
        gdcm::PhotometricInterpretation(gdcm::PhotometricInterpretation::GetPIType(job.colours)));
    image.SetPlanarConfiguration(0);
    image.SetTransferSyntax(gdcm::TransferSyntax(gdcm::TransferSyntax::GetTSType(job.syntax)));
}

void fill(gdcm::Bitmap &image, const std::vector<char> &bytes)
{
    gdcm::SmartPointer<gdcm::SequenceOfFragments> fragments = new gdcm::SequenceOfFragments;
    gdcm::DataElement                             pixels(gdcm::Tag(0x7fe0, 0x0010));
    gdcm::Fragment                                one;

    one.SetByteValue(bytes.data(), gdcm::VL(static_cast<uint32_t>(bytes.size())));
    fragments->AddFragment(one);
    pixels.SetVR(gdcm::VR::OB);
    pixels.SetValue(*fragments);
    image.SetDataElement(pixels);
}

/* nullptr: done */
const char *decode(const um_gdcm_job &job, const std::vector<char> &bytes, std::vector<char> &out)
{
    gdcm::Bitmap image;

    describe(image, job);
    fill(image, bytes);
    if (image.GetBufferLength() != out.size())
        return "GDCM counts other sizes";
    if (!image.GetBuffer(out.data()))
        return "cut or damaged";
    return image.GetBufferLength() == out.size() ? nullptr
                                                 : "a picture of another kind than the header says";
}

/* one job; false: there are no more */
bool serve(std::FILE *to)
{
    um_gdcm_job    job;
    um_gdcm_answer answer = {};

    if (std::fread(&job, sizeof job, 1, stdin) != 1 || job.size != sizeof job)
        return false;
    std::vector<char> bytes(job.bytes), out(job.out);
    if (std::fread(bytes.data(), 1, bytes.size(), stdin) != bytes.size())
        return false;
    const char *why;
    try {
        why = decode(job, bytes, out);
    } catch (const std::exception &e) {
        why = "GDCM gave up";
    }
    answer.done = why == nullptr;
    if (why)
        (void)std::snprintf(answer.why, sizeof answer.why, "%s", why);
    return std::fwrite(&answer, sizeof answer, 1, to) == 1 &&
           (why || std::fwrite(out.data(), 1, out.size(), to) == out.size()) &&
           std::fflush(to) == 0;
}

} // namespace

int main()
{
    const rlimit     none = { 0, 0 };
    std::FILE *const to   = fdopen(dup(1), "wb"); /* where nothing else prints */

    if (!to || !std::freopen("/dev/null", "w", stdout))
        return 1;

    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef UM_POISON /* sanitizers map terabytes */
    const rlimit room = { ROOM, ROOM };

    (void)setrlimit(RLIMIT_AS, &room);
#endif
    gdcm::Trace::DebugOff();
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    try {
        while (serve(to))
            ;
    } catch (...) { /* no memory: whoever asked sees the end */
        return 1;
    }
    return 0;
}
