#pragma once
// Two data sets of rendered hands: the signs of the American manual alphabet and digits, laid out and named
// like the photographs the study is about, and a set of invented handshapes by other people to pretrain on.
// Every random draw is a function of the seed and of what is drawn, so the files are the same for any number
// of threads, and a subset of the classes is a subset of the files.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/synthetic_render.h"

namespace signet::data {

/// The set of signs: one image for each sign, signer, light and take.
struct SyntheticOptions {
  int signers = 4;                                 ///< In [1, 100].
  std::vector<std::string> lights{"dif", "left"};  ///< Names that `light_named` knows, each once.
  int takes = 4;                                   ///< Near-twins of one another, in [1, 1000].
  int size = 64;                                   ///< Pixels a side, in [16, 1024].
  uint64_t seed = 0;
  std::vector<std::string> classes;  ///< Names of signs, each once; empty for all.
};

/// The set of invented handshapes, each made by every signer in turn, in all lights and turned more than
/// signs are.
struct SyntheticPretrainingOptions {
  int shapes = 48;   ///< Classes, in [2, 100].
  int images = 64;   ///< A class, in [1, 10000].
  int signers = 64;  ///< In [1, 1000].
  int size = 64;     ///< Pixels a side, in [16, 1024].
  uint64_t seed = 0;
};

/// One image of the set of signs: `take` counts from 0, `signer` from 1. Signers make each sign in their own
/// way, a little differently from one sitting (light) to the next, and almost alike from take to take.
Image synthetic_sign(int sign, int signer, const std::string& light, int take, int size, uint64_t seed);

/// All signs in rows of `columns`, each row by another signer and in another light, `size` pixels a sign.
Image synthetic_sign_sheet(int columns, int size, uint64_t seed);

/// The pose of the invented handshape `shape` (from 0). Shapes differ from all signs and from one another in
/// the bending of fingers or thumb.
HandPose synthetic_shape(int shape, uint64_t seed);

/// Writes PNG files `<class>/hand<signer>_<class>_<light>_seg_<take>_cropped.png` below `folder`, with
/// signers and takes counted from 1. Throws Error for options outside their ranges and for files that cannot
/// be written.
void write_synthetic_signs(const std::filesystem::path& folder, const SyntheticOptions& options);

/// Writes PNG files `<class>/hand<signer>_<class>_<light>_seg_<image>_cropped.png` below `folder`, with
/// classes shape01, shape02, … and signers counted from 101, none of whom is in the set of signs. Throws
/// Error likewise.
void write_synthetic_pretraining(const std::filesystem::path& folder,
                                 const SyntheticPretrainingOptions& options);

}  // namespace signet::data
