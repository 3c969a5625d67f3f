/* gdcm.cpp - the plug-in libum-gdcm.so: JPEG 2000, JPEG-LS, lossless and 12-bit JPEG by GDCM
 *
 * GDCM's parser of files is not used: it takes memory for whatever length a file claims. It gets
 * one codestream at a time, whose header was checked (dicom_codec.c), and the sizes that must come
 * out. SPDX-License-Identifier: Apache-2.0
 */
#include "media/gdcm.h"

#include <cstdio>
#include <cstring>
#include <exception>

#include <gdcmBitmap.h>
#include <gdcmFragment.h>
#include <gdcmSequenceOfFragments.h>
#include <gdcmTrace.h>

namespace
{

int fail(um_gdcm_job *job, const char *why)
{
    (void)std::snprintf(job->why, sizeof job->why, "%s", why);
    return -1;
}

void describe(gdcm::Bitmap &image, const um_gdcm_job *job)
{
    const auto stored = static_cast<unsigned short>(job->stored);

    image.SetNumberOfDimensions(2);
    image.SetDimension(0, job->columns);
    image.SetDimension(1, job->rows);
    image.SetPixelFormat(gdcm::PixelFormat(static_cast<unsigned short>(job->samples),
                                           static_cast<unsigned short>(job->allocated), stored,
                                           static_cast<unsigned short>(stored - 1),
                                           static_cast<unsigned short>(job->is_signed)));
    image.SetPhotometricInterpretation(
        gdcm::PhotometricInterpretation(gdcm::PhotometricInterpretation::GetPIType(job->colours)));
    image.SetPlanarConfiguration(0);
    image.SetTransferSyntax(gdcm::TransferSyntax(gdcm::TransferSyntax::GetTSType(job->syntax)));
}

void fill(gdcm::Bitmap &image, const um_gdcm_job *job)
{
    gdcm::SmartPointer<gdcm::SequenceOfFragments> fragments = new gdcm::SequenceOfFragments;
    gdcm::DataElement                             pixels(gdcm::Tag(0x7fe0, 0x0010));
    gdcm::Fragment                                one;

    one.SetByteValue(reinterpret_cast<const char *>(job->bytes),
                     gdcm::VL(static_cast<uint32_t>(job->n)));
    fragments->AddFragment(one);
    pixels.SetVR(gdcm::VR::OB);
    pixels.SetValue(*fragments);
    image.SetDataElement(pixels);
}

int decode(um_gdcm_job *job)
{
    gdcm::Bitmap image;

    describe(image, job);
    fill(image, job);
    if (image.GetBufferLength() != job->out_n)
        return fail(job, "GDCM counts other sizes");
    if (!image.GetBuffer(reinterpret_cast<char *>(job->out)))
        return fail(job, "cut or damaged");
    if (image.GetBufferLength() != job->out_n)
        return fail(job, "a picture of another kind than the header says");
    return 0;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int um_gdcm_decode(um_gdcm_job *job)
{
    if (job->size != sizeof *job)
        return -1;
    try {
        gdcm::Trace::DebugOff();
        gdcm::Trace::WarningOff();
        gdcm::Trace::ErrorOff();
        return decode(job);
    } catch (const std::exception &e) {
        return fail(job, e.what());
    } catch (...) {
        return fail(job, "GDCM gave up");
    }
}
