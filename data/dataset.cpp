#include "data/dataset.h"

#include <algorithm>
#include <map>
#include <set>

#include "tensor/error.h"

namespace signet::data {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLayout =
    "lay it out as FOLDER/CLASS/image.jpg with one folder a class (or FOLDER/train/CLASS and "
    "FOLDER/val/CLASS)";

constexpr int kDeepest = 8;  // folders within folders; more must be a link that leads back up

/// What a folder holds, names sorted by byte; hidden entries and archive debris are left out.
struct Listing {
  std::vector<std::string> folders, images, others;
};

Listing list(const fs::path& folder) {
  Listing listing;
  try {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(".") || name == "__MACOSX") continue;
      std::error_code error;  // a dangling link is listed as a file and reported when it is read
      auto& names = entry.is_directory(error) ? listing.folders
                    : is_image_name(name)     ? listing.images
                                              : listing.others;
      names.push_back(name);
    }
  } catch (const fs::filesystem_error& error) {
    fail("{}: cannot be listed: {}; check its permissions", folder.string(), error.code().message());
  }
  for (auto* names : {&listing.folders, &listing.images, &listing.others}) {
    std::sort(names->begin(), names->end());
  }
  return listing;
}

/// A folder that holds no images itself but folders: a class never looks like that, unless it is subdivided.
bool holds_only_folders(const Listing& listing) {
  return listing.images.empty() && !listing.folders.empty();
}

/// The validation folder beside train/, or empty where the folder has no predefined split.
std::string find_validation(const Listing& listing, const fs::path& folder) {
  const auto has = [&](const char* name) {
    return std::binary_search(listing.folders.begin(), listing.folders.end(), name) &&
           holds_only_folders(list(folder / name));
  };
  if (!has("train")) return {};
  for (const char* name : {"val", "valid", "validation"}) {
    if (has(name)) return name;
  }
  fail(
      "{}: holds train but no val; rename the folder to validate on to val, or for cross-validation put the "
      "class folders of both together",
      folder.string());
}

/// Steps into a folder of folders that is all that its folder holds.
fs::path descend(const fs::path& folder, int depth = 0) {
  const Listing listing = list(folder);
  if (listing.folders.size() != 1 || !listing.images.empty() || depth == kDeepest) return folder;
  const fs::path inner = folder / listing.folders[0];
  const Listing below = list(inner);
  if (below.folders.size() > 1 && below.images.empty()) return inner;
  const fs::path deepest = descend(inner, depth + 1);
  return deepest == inner ? folder : deepest;
}

/// The folder that holds the same folders as its siblings: the inner level of a doubled archive; empty if
/// there is none. Where several folders hold only folders, these are classes that are subdivided.
std::string find_nested_copy(const fs::path& root, const Listing& listing) {
  std::string candidate;
  std::vector<std::string> inner;
  for (const auto& name : listing.folders) {
    const Listing below = list(root / name);
    if (!holds_only_folders(below)) continue;
    if (!candidate.empty()) return {};
    candidate = name;
    inner = below.folders;
  }
  std::vector<std::string> siblings = listing.folders;
  std::erase(siblings, candidate);
  if (candidate.empty() || siblings.empty()) return {};
  if (inner == siblings) return candidate;
  const auto includes = [](const std::vector<std::string>& all, const std::vector<std::string>& some) {
    return std::includes(all.begin(), all.end(), some.begin(), some.end());
  };
  if (includes(siblings, inner) || includes(inner, siblings)) {
    fail(
        "{}: holds class folders of its own ('{}' and others) beside those around it; move or delete one of "
        "the "
        "two levels",
        (root / candidate).string(), inner[0]);
  }
  return {};
}

class Scan {
 public:
  Scan(const fs::path& root, const NamePattern& pattern, Strictness strictness)
      : pattern_(pattern), strictness_(strictness) {
    dataset_.root = root;
  }

  Dataset run() {
    const Listing listing = list(dataset_.root);
    const std::string validation = find_validation(listing, dataset_.root);
    dataset_.predefined_split = !validation.empty();
    if (dataset_.predefined_split) {
      add_part("train", Part::train);
      add_part(validation, Part::val);
    } else {
      add_part("", Part::any);
    }
    number_classes();
    if (strictness_ == Strictness::all) check_classes();
    return std::move(dataset_);
  }

 private:
  void add_part(const std::string& prefix, Part part) {
    const fs::path folder = prefix.empty() ? dataset_.root : dataset_.root / prefix;
    const Listing listing = list(folder);
    if (!listing.images.empty()) {
      fail("{}: image lies outside any class folder; move it into the folder of its class, or {}",
           (folder / listing.images[0]).string(), kLayout);
    }
    if (listing.folders.empty()) fail("{}: has no class folders; {}", folder.string(), kLayout);
    const std::string copy = find_nested_copy(folder, listing);
    if (!copy.empty()) dataset_.nested_copy = prefix.empty() ? copy : prefix + "/" + copy;
    for (const auto& name : listing.folders) {
      if (name == copy) continue;
      images_of_class_[name];
      add_folder(prefix.empty() ? name : prefix + "/" + name, name, part, 0);
    }
  }

  void add_folder(const std::string& path, const std::string& class_name, Part part, int depth) {
    const Listing listing = list(dataset_.root / path);
    if (depth > kDeepest) {
      fail("{}: lies more than {} folders deep (a link to a folder above it?); remove it",
           (dataset_.root / path).string(), kDeepest);
    }
    for (const auto& name : listing.images) {
      auto fields = pattern_.read(name);
      images_of_class_[class_name].push_back({path + "/" + name, 0, std::move(fields.signer),
                                              std::move(fields.light), std::move(fields.take), part});
    }
    for (const auto& name : listing.others) dataset_.ignored.push_back(path + "/" + name);
    for (const auto& name : listing.folders) add_folder(path + "/" + name, class_name, part, depth + 1);
  }

  void number_classes() {
    for (auto& [name, samples] : images_of_class_) {
      std::sort(samples.begin(), samples.end(), [](auto& a, auto& b) { return a.path < b.path; });
      for (auto& sample : samples) {
        sample.label = int(dataset_.classes.size());
        dataset_.samples.push_back(std::move(sample));
      }
      dataset_.classes.push_back(name);
    }
  }

  void check_classes() const {
    const auto counts = class_counts(dataset_);
    for (size_t label = 0; label < counts.size(); ++label) {
      if (counts[label] > 0) continue;
      const fs::path part = dataset_.predefined_split ? "train" : "";
      const std::string folder = (dataset_.root / part / dataset_.classes[label]).string();
      const auto inside = [&](const std::string& path) {
        return ("/" + path).find("/" + dataset_.classes[label] + "/") != path.npos;
      };
      const auto other = std::find_if(dataset_.ignored.begin(), dataset_.ignored.end(), inside);
      if (other != dataset_.ignored.end()) {
        fail(
            "{}: class without images: only .jpg, .jpeg and .png are read, and it holds e.g. '{}'; convert "
            "them",
            folder, *other);
      }
      fail("{}: class without images; add some or delete the folder", folder);
    }
    if (dataset_.num_classes() < 2) {
      fail("{}: has only one class, '{}', and there is nothing to tell apart; {}", dataset_.root.string(),
           dataset_.classes[0], kLayout);
    }
    if (dataset_.predefined_split) check_parts();
  }

  void check_parts() const {
    std::set<int> trained;
    bool validated = false;
    for (const auto& sample : dataset_.samples) {
      if (sample.part == Part::train) trained.insert(sample.label);
      validated = validated || sample.part == Part::val;
    }
    for (int label = 0; label < dataset_.num_classes(); ++label) {
      if (!trained.contains(label)) {
        fail("{}: class '{}' has images to validate on but none in train; add some", dataset_.root.string(),
             dataset_.classes[size_t(label)]);
      }
    }
    if (!validated) fail("{}: has no images to validate on; add some to val", dataset_.root.string());
  }

  const NamePattern& pattern_;
  Strictness strictness_;
  Dataset dataset_;
  std::map<std::string, std::vector<Sample>> images_of_class_;  // by byte, as std::string compares
};

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_image_name(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

Dataset scan_dataset(const fs::path& root, const NamePattern& pattern, Strictness strictness) {
  std::error_code error;
  if (!fs::exists(root, error)) {
    fail("{}: there is no such folder; give the data set's own, after --data where the verb has that flag",
         root.string());
  }
  if (!fs::is_directory(root, error)) {
    fail("{}: is not a folder; give the folder that holds one folder a class", root.string());
  }
  return Scan(descend(root), pattern, strictness).run();
}

std::vector<int64_t> class_counts(const Dataset& dataset) {
  std::vector<int64_t> counts(dataset.classes.size());
  for (const auto& sample : dataset.samples) ++counts[size_t(sample.label)];
  return counts;
}

std::vector<std::string> signers(const Dataset& dataset) {
  const auto by_value = [](const std::string& a, const std::string& b) {
    const bool numbers = is_number(a) && is_number(b);
    if (numbers && a.size() != b.size()) return a.size() < b.size();
    if (is_number(a) != is_number(b)) return is_number(a);
    return a < b;
  };
  std::set<std::string, decltype(by_value)> names(by_value);
  for (const auto& sample : dataset.samples) {
    if (!sample.signer.empty()) names.insert(sample.signer);
  }
  return {names.begin(), names.end()};
}

}  // namespace signet::data
