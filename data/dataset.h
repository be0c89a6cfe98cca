#pragma once
// A data set on disk: a folder of class folders.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/name_pattern.h"

namespace signet::data {

/// The part of a predefined split that an image lies in; `any` where the folder has no such split.
enum class Part : uint8_t { any, train, val };

/// One image file and what is known of it without opening it.
struct Sample {
  std::string path;  ///< relative to Dataset::root, with '/'
  int label = 0;     ///< index into Dataset::classes
  std::string signer, light, take;
  Part part = Part::any;
};

/// The images of a folder, sorted by path within a class, classes in order of their names.
struct Dataset {
  std::filesystem::path root;  ///< the level that holds the class folders (or train/ and val/)
  std::vector<std::string> classes;
  std::vector<Sample> samples;
  std::vector<std::string> ignored;  ///< files that are no jpg, jpeg or png, relative to root
  std::string nested_copy;           ///< a folder of root that repeats all classes and is left out, or empty
  bool predefined_split = false;     ///< root holds train/ and val/

  int64_t size() const { return int64_t(samples.size()); }
  int num_classes() const { return int(classes.size()); }
};

/// Whether a file is taken for an image: .jpg, .jpeg or .png, in any case.
bool is_image_name(const std::string& name);

/// What a scan refuses: `all` that one cannot train on, or only what is no data set at all. A `lenient` scan
/// takes a single class, classes without images and classes that lack a part of a predefined split.
enum class Strictness : uint8_t { all, lenient };

/// Lists the images (.jpg .jpeg .png in any case, folders walked, links followed, hidden files skipped) of
///   root/CLASS/…                        class folders, sorted by byte as torchvision sorts them
///   root/train/CLASS/…, root/val/CLASS/…   the same with a predefined split (val, valid or validation; other
///                                       folders beside them are left out)
///   root/NAME/CLASS/…                   one folder around them
///   root/CLASS/…, root/NAME/CLASS/…     the doubled folder of Kaggle's archive: the outer level is used
/// Throws Error (path, reason, remedy) for a root that is missing, no folder, or has images directly in it,
/// and for no class, one class, a class without images, and a nested folder that repeats only some classes.
Dataset scan_dataset(const std::filesystem::path& root, const NamePattern& pattern = NamePattern(),
                     Strictness strictness = Strictness::all);

/// How many images each class has.
std::vector<int64_t> class_counts(const Dataset& dataset);

/// The signers that the names tell, sorted: numbers by value, before other names by byte.
std::vector<std::string> signers(const Dataset& dataset);

}  // namespace signet::data
