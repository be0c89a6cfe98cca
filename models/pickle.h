#pragma once
// Python's pickles as data: an interpreter of the opcodes that runs and imports nothing.
//
// Format: the comments of CPython's Lib/pickletools.py (protocols 0 to 5). A call that a pickle asks for
// becomes an Object that names the callable; what it means is for the caller to decide.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::models {

/// Index of a value in its Pickle. Values refer to each other by index: they may be shared and may form
/// cycles.
using PickleId = uint32_t;

inline constexpr PickleId kNoPickleId = ~PickleId{0};

/// One value of a pickle.
struct PickleValue {
  enum class Kind {
    kNone,
    kBool,        ///< integer is 0 or 1
    kInt,         ///< integer
    kBigInt,      ///< text: two's complement, little-endian, more than 8 bytes
    kFloat,       ///< real
    kString,      ///< text
    kBytes,       ///< text
    kTuple,       ///< elements
    kList,        ///< elements
    kSet,         ///< elements
    kDict,        ///< elements: key, value, key, value, …
    kGlobal,      ///< text: "module.name"
    kPersistent,  ///< elements: the persistent id
    kObject,      ///< callable and elements[0], its arguments; then state and items
  };
  Kind kind = Kind::kNone;
  PickleId callable = kNoPickleId;  ///< of an Object: a Global
  PickleId state = kNoPickleId;     ///< of an Object: what BUILD gave it, if anything
  union {
    int64_t integer = 0;
    double real;
  };
  std::string_view text;
  std::vector<PickleId> elements;
  std::vector<PickleId> items;  ///< of an Object: key, value, key, value, … that the pickle assigned to it
};

/// What one pickle holds. The texts are views of the bytes it was read from or of `names`.
struct Pickle {
  std::vector<PickleValue> values;
  std::deque<std::string> names;  ///< "module.name" of the Globals
  PickleId root = kNoPickleId;
  size_t end = 0;  ///< position after the pickle's STOP in the bytes given to read_pickle

  const PickleValue& at(PickleId id) const { return values[id]; }
};

/// Reads the pickle at the start of `bytes`, which must outlive the result. `is_allowed` says of each
/// "module.name" the pickle mentions whether it may; `source` names the file in errors. Throws Error for a
/// name that is not allowed, for truncated or unknown opcodes and for more than about a million values. Time
/// and memory are linear in the length of the pickle, whatever it says.
Pickle read_pickle(std::string_view bytes, const std::function<bool(std::string_view)>& is_allowed,
                   const std::string& source);

}  // namespace signet::models
