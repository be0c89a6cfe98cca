#pragma once
// The one thing that EXIF data tells a reader of pixels: which way up a camera was held.

#include <string_view>

#include "data/image.h"

namespace signet::data {

/// The orientation, 1 to 8, that the EXIF data of a JPEG or PNG file gives its picture (tag 0x0112 of the
/// first directory; CIPA DC-008, section 4.6.4); 1, which is upright, where there is none or it makes no
/// sense. Looks at nothing outside of `file`, whatever its offsets say.
int exif_orientation(std::string_view file);

/// The picture as it is to be seen, of pixels stored in an orientation of 1 to 8. Throws
/// std::invalid_argument for another number.
Image turn_upright(Image image, int orientation);

}  // namespace signet::data
