#pragma once
// Small folders of images, made for one test and removed after it.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "data/image.h"
#include "tensor/error.h"

namespace signet::data {

/// A new empty folder that goes with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }
  /// Writes bytes to a file below the folder, whose folders are made.
  void write(const std::string& name, const std::string& bytes) const;
  /// Writes a PNG of pixels drawn from `seed`.
  void write_image(const std::string& name, uint64_t seed, int height = 6, int width = 6) const;

 private:
  std::filesystem::path path_;
};

/// An image of random pixels.
Image random_image(uint64_t seed, int height, int width, int channels);

/// A data set in the naming of the ASL set: `signers` x `lights` x `takes` images for each of `classes`.
void write_hands(const TemporaryFolder& folder, int classes, int signers, int lights, int takes);

/// The message of the Error that `act` throws; fails the test if it throws none.
template <class Act>
std::string error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  FAIL("no Error was thrown");
  return {};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

}  // namespace signet::data
