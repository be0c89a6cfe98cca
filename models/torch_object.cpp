#include "models/torch_object.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "models/pickle.h"
#include "tensor/error.h"

namespace signet::models {
namespace {

using Kind = PickleValue::Kind;

constexpr const char* kSaveStateDict = "load it where it was made and save model.state_dict() instead";

constexpr size_t kMaxRank = 64;
constexpr int kMaxNesting = 32;
constexpr size_t kMaxItems = 1 << 17;
constexpr size_t kMaxNameBytes = 1024;
// A view may repeat elements, and so may a hostile file, without end: tensors may take this many times the
// bytes of the file, and kFreeBytes in any case.
constexpr uint64_t kMaxExpansion = 16;
constexpr uint64_t kFreeBytes = 64 << 20;

constexpr std::array<std::string_view, 3> kWrappers = {"state_dict", "model_state_dict", "model"};

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildTensorV2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kRebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kParameter = "torch.nn.parameter.Parameter";

struct StorageType {
  std::string_view global;
  std::string_view dtype;
};

constexpr std::array<StorageType, 10> kStorageTypes = {{{"torch.FloatStorage", "F32"},
                                                        {"torch.HalfStorage", "F16"},
                                                        {"torch.BFloat16Storage", "BF16"},
                                                        {"torch.DoubleStorage", "F64"},
                                                        {"torch.LongStorage", "I64"},
                                                        {"torch.IntStorage", "I32"},
                                                        {"torch.ShortStorage", "I16"},
                                                        {"torch.CharStorage", "I8"},
                                                        {"torch.ByteStorage", "U8"},
                                                        {"torch.BoolStorage", "BOOL"}}};

// Plain data that training checkpoints hold beside the weights; read as values that are then left out.
constexpr std::array<std::string_view, 12> kInertGlobals = {
    "collections.Counter", "collections.defaultdict", "torch.Size",       "torch.device",
    "torch.float32",       "torch.float16",           "torch.bfloat16",   "builtins.set",
    "builtins.dict",       "__builtin__.set",         "__builtin__.dict", "_codecs.encode"};

// Modules whose classes are networks: what torch.save(model) mentions where a state_dict mentions tensors.
constexpr std::array<std::string_view, 4> kModelModules = {"torch.nn.modules.", "torchvision.", "timm.",
                                                           "__main__."};

/// Safetensors' name of the elements of a storage class; empty for any other global.
std::string_view storage_dtype(std::string_view global) {
  const auto found = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                                  [&](const StorageType& type) { return type.global == global; });
  return found == kStorageTypes.end() ? std::string_view() : found->dtype;
}

bool is_allowed_global(std::string_view name, const std::string& source) {
  const bool is_model = std::any_of(kModelModules.begin(), kModelModules.end(),
                                    [&](std::string_view module) { return name.starts_with(module); });
  if (is_model) {
    fail("{}: refuses to run {}: the file holds a whole model, whose code would have to run; {}", source,
         printable(name), kSaveStateDict);
  }
  return name == kOrderedDict || name == kRebuildTensor || name == kRebuildTensorV2 ||
         name == kRebuildParameter || name == kRebuildParameterWithState || name == kParameter ||
         !storage_dtype(name).empty() ||
         std::find(kInertGlobals.begin(), kInertGlobals.end(), name) != kInertGlobals.end();
}

/// The parts with ", " between them.
template <class Parts>
std::string joined(const Parts& parts) {
  std::string text;
  for (const auto& part : parts) text += fmt::format("{}{}", text.empty() ? "" : ", ", part);
  return text;
}

bool is_plain_metadata(const PickleValue& value) {
  return value.kind == Kind::kNone || (value.kind == Kind::kDict && value.elements.empty());
}

/// Whether every element that a nonempty tensor reads lies in its storage.
bool fits(uint64_t offset, const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
          uint64_t elements) {
  uint64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) {
    uint64_t reach = 0;
    if (__builtin_mul_overflow(uint64_t(sizes[i] - 1), uint64_t(strides[i]), &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return last < elements;
}

/// Copies the elements of a nonempty strided tensor in row-major order.
void gather(std::vector<std::byte>& to, uint64_t bytes, const std::byte* from, size_t element_bytes,
            const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
  // Trailing axes that lie in memory as in the result are copied as one run.
  size_t outer_axes = sizes.size();
  uint64_t run = 1;
  while (outer_axes > 0 && (sizes[outer_axes - 1] == 1 || uint64_t(strides[outer_axes - 1]) == run)) {
    run *= uint64_t(sizes[--outer_axes]);
  }
  const size_t run_bytes = run * element_bytes;
  to.reserve(bytes);
  std::vector<int64_t> index(outer_axes, 0);
  uint64_t position = 0;
  while (true) {
    const std::byte* source = from + position * element_bytes;
    to.insert(to.end(), source, source + run_bytes);
    size_t axis = outer_axes;
    while (axis > 0 && ++index[axis - 1] == sizes[axis - 1]) {
      position -= uint64_t(strides[axis - 1]) * uint64_t(sizes[axis - 1] - 1);
      index[--axis] = 0;
    }
    if (axis == 0) return;
    position += uint64_t(strides[axis - 1]);
  }
}

}  // namespace

TorchObject::TorchObject(std::string_view bytes, size_t file_bytes, const std::string& source)
    : source_(source),
      byte_limit_(kFreeBytes + kMaxExpansion * file_bytes),
      pickle_(read_pickle(
          bytes, [&](std::string_view name) { return is_allowed_global(name, source); }, source)) {
  for (const PickleValue& value : pickle_.values) {
    if (value.kind != Kind::kPersistent) continue;
    const StorageView view = storage_view(value);
    const auto [known, is_new] = storages_.try_emplace(view.key, TorchStorage{view.dtype, view.elements, {}});
    if (!is_new && (known->second.dtype != view.dtype || known->second.elements != view.elements)) {
      fail("{}: storage {} is described in two ways", source_, printable(view.key));
    }
  }
}

Archive TorchObject::read_tensors() {
  collect_root();
  if (tensors_.empty()) fail("{}: the file holds no tensors; {}", source_, kSaveStateDict);
  Archive archive;
  std::unordered_set<std::string_view> names;
  for (const auto& [name, id] : tensors_) {
    if (!names.insert(name).second) fail("{}: tensor \"{}\" appears twice", source_, printable(name));
    archive.entries.emplace_back(name, build_tensor(name, *rebuild_call(id)));
  }
  if (!skipped_.empty()) archive.metadata["skipped"] = joined(skipped_);
  return archive;
}

std::string_view TorchObject::text(PickleId id, const char* what) const {
  if (pickle_.at(id).kind != Kind::kString) fail("{}: {} is not a string", source_, what);
  return pickle_.at(id).text;
}

/// A pickle can mention one long text a million times, so names are held short before they are copied or
/// hashed.
void TorchObject::check_length(std::string_view name) const {
  if (name.size() > kMaxNameBytes) fail("{}: the name \"{}\" is too long", source_, printable(name));
}

uint64_t TorchObject::count(PickleId id, const char* what) const {
  const PickleValue& value = pickle_.at(id);
  if (value.kind != Kind::kInt || value.integer < 0) fail("{}: {} is not a whole number ≥ 0", source_, what);
  return uint64_t(value.integer);
}

std::string_view TorchObject::callable_name(const PickleValue& object) const {
  return pickle_.at(object.callable).text;
}

const std::vector<PickleId>& TorchObject::arguments(const PickleValue& object) const {
  return pickle_.at(object.elements[0]).elements;
}

/// What a persistent id says: ('storage', type, key, location, elements[, None or (key, first, elements)]).
TorchObject::StorageView TorchObject::storage_view(const PickleValue& persistent) const {
  const PickleValue& tuple = pickle_.at(persistent.elements[0]);
  if (tuple.kind != Kind::kTuple || (tuple.elements.size() != 5 && tuple.elements.size() != 6) ||
      text(tuple.elements[0], "a persistent id's kind") != "storage") {
    fail("{}: a persistent id is not that of a storage", source_);
  }
  const PickleValue& type = pickle_.at(tuple.elements[1]);
  StorageView view;
  view.dtype = type.kind == Kind::kGlobal ? storage_dtype(type.text) : std::string_view();
  if (view.dtype.empty()) fail("{}: a storage's type is unknown", source_);
  view.key = text(tuple.elements[2], "a storage's key");
  check_length(view.key);
  view.elements = count(tuple.elements[4], "a storage's size");
  view.visible_elements = view.elements;
  if (tuple.elements.size() == 6 && pickle_.at(tuple.elements[5]).kind != Kind::kNone) {
    const PickleValue& part = pickle_.at(tuple.elements[5]);
    if (part.kind != Kind::kTuple || part.elements.size() != 3) {
      fail("{}: a storage's view is not three values", source_);
    }
    view.first = count(part.elements[1], "a storage view's start");
    view.visible_elements = count(part.elements[2], "a storage view's size");
    if (view.first > view.elements || view.visible_elements > view.elements - view.first) {
      fail("{}: a view of storage {} leaves it", source_, printable(view.key));
    }
  }
  return view;
}

bool TorchObject::is_dict(const PickleValue& value) const {
  return value.kind == Kind::kDict || (value.kind == Kind::kObject && callable_name(value) == kOrderedDict);
}

TorchObject::Items TorchObject::dict_items(const PickleValue& dict) const {
  Items items;
  const auto add_flat = [&](const std::vector<PickleId>& flat) {
    for (size_t i = 0; i + 1 < flat.size(); i += 2) items.emplace_back(flat[i], flat[i + 1]);
  };
  if (dict.kind == Kind::kDict) {
    add_flat(dict.elements);
    return items;
  }
  if (arguments(dict).size() > 1) fail("{}: an OrderedDict is made of several arguments", source_);
  // Python 2 gives an OrderedDict its items as one argument, a list of pairs; Python 3 assigns them later.
  for (const PickleId argument : arguments(dict)) {
    for (const PickleId pair : pickle_.at(argument).elements) {
      const auto& parts = pickle_.at(pair).elements;
      if (parts.size() != 2) fail("{}: an OrderedDict is made of something that is not pairs", source_);
      items.emplace_back(parts[0], parts[1]);
    }
  }
  add_flat(dict.items);
  return items;
}

/// The call that rebuilds a tensor, looking through parameters; nullptr if the value is neither.
const PickleValue* TorchObject::rebuild_call(PickleId id) const {
  for (int wrapping = 0; wrapping < 4; ++wrapping) {
    const PickleValue& value = pickle_.at(id);
    if (value.kind != Kind::kObject) return nullptr;
    const std::string_view name = callable_name(value);
    if (name == kRebuildTensor || name == kRebuildTensorV2) return &value;
    const bool is_parameter =
        name == kRebuildParameter || name == kRebuildParameterWithState || name == kParameter;
    if (!is_parameter) return nullptr;
    // Before PyTorch 0.4 a Parameter was made empty and got its tensor as the first part of its state.
    const bool has_state = name == kParameter && value.state != kNoPickleId;
    const auto& parts = has_state ? pickle_.at(value.state).elements : arguments(value);
    if (parts.empty()) return nullptr;
    id = parts[0];
  }
  return nullptr;
}

void TorchObject::collect_root() {
  const PickleValue& root = pickle_.at(pickle_.root);
  if (!is_dict(root)) {
    const bool is_list = root.kind == Kind::kList || root.kind == Kind::kTuple;
    fail("{}: the file holds {} instead of a dict of tensors; {}", source_,
         rebuild_call(pickle_.root) ? "a single tensor"
         : is_list                  ? "a list"
                                    : "another object",
         kSaveStateDict);
  }
  const Items items = dict_items(root);
  const bool has_tensor =
      std::any_of(items.begin(), items.end(), [&](const auto& item) { return rebuild_call(item.second); });
  if (has_tensor || !collect_wrapped(items)) collect(items, "", 1);
}

/// Notes the tensors of the first wrapper that has any.
bool TorchObject::collect_wrapped(const Items& items) {
  for (const std::string_view wrapper : kWrappers) {
    for (const auto& [key, value] : items) {
      if (item_name(key) != wrapper || !is_dict(pickle_.at(value))) continue;
      skipped_.clear();
      collect(dict_items(pickle_.at(value)), "", 1);
      if (tensors_.empty()) continue;
      for (const auto& [other_key, other_value] : items) {
        if (other_value != value) skip(item_name(other_key));
      }
      return true;
    }
  }
  skipped_.clear();
  return false;
}

/// Notes the tensors of a dict and of the dicts in it.
void TorchObject::collect(const Items& items, const std::string& prefix, int depth) {
  if (depth > kMaxNesting) fail("{}: dicts nest deeper than {} or in a circle", source_, kMaxNesting);
  for (const auto& [key, value] : items) {
    if (++visited_ > kMaxItems) fail("{}: the dicts hold more than {} items", source_, kMaxItems);
    const std::string name = prefix + item_name(key);
    check_length(name);
    if (rebuild_call(value)) {
      tensors_.emplace_back(name, value);
    } else if (is_dict(pickle_.at(value))) {
      collect(dict_items(pickle_.at(value)), name + ".", depth + 1);
    } else {
      skip(name);
    }
  }
}

std::string TorchObject::item_name(PickleId key) const {
  const PickleValue& value = pickle_.at(key);
  if (value.kind == Kind::kString) {
    check_length(value.text);
    return std::string(value.text);
  }
  if (value.kind == Kind::kInt) return std::to_string(value.integer);
  fail("{}: a key of a dict is neither a string nor an integer", source_);
}

void TorchObject::skip(const std::string& name) {
  skipped_.push_back(printable(name));
}

/// A tensor from the arguments of its rebuild call: storage, first element, sizes, strides, …
Array TorchObject::build_tensor(const std::string& name, const PickleValue& call) {
  const auto refuse = [&](const std::string& fault) {
    fail("{}: tensor \"{}\": {}", source_, printable(name), fault);
  };
  const auto& parts = arguments(call);
  if (parts.size() < 4) refuse("it is described incompletely");
  if (parts.size() > 6 && !is_plain_metadata(pickle_.at(parts[6]))) {
    refuse("it is a negated or conjugated view; call resolve_neg() or resolve_conj() before saving");
  }
  if (pickle_.at(parts[0]).kind != Kind::kPersistent) refuse("it has no storage");
  const StorageView view = storage_view(pickle_.at(parts[0]));
  const uint64_t offset = count(parts[1], "a tensor's storage offset");
  const std::vector<int64_t> sizes = integers(parts[2], "a tensor's sizes");
  const std::vector<int64_t> strides = integers(parts[3], "a tensor's strides");
  if (sizes.size() != strides.size() || sizes.size() > kMaxRank) refuse("its sizes and strides do not match");

  Array array{sizes, std::string(view.dtype), {}};
  const auto bytes = byte_count(sizes, view.dtype);
  if (!bytes) refuse(fmt::format("its sizes [{}] overflow", joined(sizes)));
  if (*bytes == 0) return array;
  if (!fits(offset, sizes, strides, view.visible_elements)) {
    refuse(fmt::format("sizes [{}] with strides [{}] from element {} leave storage {} of {} elements",
                       joined(sizes), joined(strides), offset, printable(view.key), view.visible_elements));
  }
  if (*bytes > byte_limit_ - used_bytes_) {
    refuse(
        fmt::format("it repeats its elements into {} bytes, too many for a file of this size; save it with "
                    ".contiguous()",
                    *bytes));
  }
  used_bytes_ += *bytes;
  const size_t element_bytes = dtype_size(view.dtype);
  const std::string_view storage = storages_.at(view.key).bytes.substr((view.first + offset) * element_bytes);
  gather(array.bytes, *bytes, reinterpret_cast<const std::byte*>(storage.data()), element_bytes, sizes,
         strides);
  return array;
}

std::vector<int64_t> TorchObject::integers(PickleId id, const char* what) const {
  // A torch.Size is a call with the tuple of sizes as its argument.
  const PickleValue* tuple = &pickle_.at(id);
  if (tuple->kind == Kind::kObject && callable_name(*tuple) == "torch.Size" &&
      arguments(*tuple).size() == 1) {
    tuple = &pickle_.at(arguments(*tuple)[0]);
  }
  if (tuple->kind != Kind::kTuple) fail("{}: {} are not a tuple", source_, what);
  std::vector<int64_t> numbers;
  for (const PickleId element : tuple->elements) numbers.push_back(int64_t(count(element, what)));
  return numbers;
}

}  // namespace signet::models
