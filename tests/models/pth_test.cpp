#include "models/pth.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/models/file_bytes.h"

namespace {

using namespace signet::models;
using namespace signet::models::testing;

using Floats = std::vector<float>;
using Shape = std::vector<int64_t>;

void parse(std::string_view file) {
  parse_pth(file, "f");
}

bool mentions(const std::string& sentence, std::string_view part) {
  return sentence.find(part) != std::string::npos;
}

std::string bytes_of(const Floats& floats) {
  return {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)};
}

const Floats kSix = {0, 1, 2, 3, 4, 5};

/// A zip whose dict has one tensor "w" over a storage of six floats.
std::string zip_with(const std::string& tensor) {
  return torch_zip(dict({text("w"), tensor}), {bytes_of(kSix)});
}

std::string zip_refusal(const std::string& object,
                        const std::vector<std::string>& storages = {bytes_of(kSix)}) {
  return refusal([&] { parse(torch_zip(object, storages)); });
}

const Array& entry(const Archive& archive, const char* name) {
  const Array* array = archive.find(name);
  REQUIRE_MESSAGE(array != nullptr, name);
  return *array;
}

Floats floats_of(const std::string& file) {
  const Archive archive = parse_pth(file, "f");
  return to_f32(entry(archive, "w"));
}

std::string six(std::string_view key = "0") {
  return storage("FloatStorage", key, 6);
}

std::string good_tensor() {
  return tensor(six(), 0, {6}, {1});
}

}  // namespace

TEST_CASE("tensors of every kind are read from both forms") {
  for (const char* name : {"state_dict.pth", "state_dict_stream.pth"}) {
    CAPTURE(name);
    const Archive archive = parse_pth(fixture(name), name);
    struct Expected {
      const char* name;
      const char* dtype;
      Shape shape;
      Floats values;
    };
    const Expected expected[] = {
        {"f32", "F32", {2, 3}, {-1, -0.5f, 0, 0.5f, 1, 1.5f}},
        {"f16", "F16", {3}, {1.5f, -2, 65504}},
        {"bf16", "BF16", {2}, {1.5f, -3}},
        {"f64", "F64", {1}, {0.1f}},
        {"i64", "I64", {}, {7}},
        {"i32", "I32", {2}, {-1, 2}},
        {"shared", "F32", {8}, {0, 1, 2, 3, 4, 5, 6, 7}},
        {"slice", "F32", {3}, {2, 3, 4}},
        {"strided", "F32", {3}, {0, 3, 6}},
        {"transposed", "F32", {3, 2}, {0, 3, 1, 4, 2, 5}},
        {"expanded", "F32", {2, 2}, {5, 5, 5, 5}},
        {"parameter", "F32", {2}, {4, 5}},
        {"empty", "F32", {0, 3}, {}},
        {"layer.weight", "F32", {1, 2}, {1, 2}},
    };
    CHECK(archive.entries.size() == std::size(expected) + 2);
    CHECK(archive.entries.front().first == "f32");
    for (const Expected& tensor : expected) {
      CAPTURE(tensor.name);
      const Array& array = entry(archive, tensor.name);
      CHECK(array.dtype == tensor.dtype);
      CHECK(array.shape == tensor.shape);
      CHECK(to_f32(array) == tensor.values);
    }
    CHECK(entry(archive, "u8") == Array{{2}, "U8", {std::byte{0}, std::byte{255}}});
    CHECK(entry(archive, "bool") == Array{{2}, "BOOL", {std::byte{1}, std::byte{0}}});
    CHECK(archive.metadata.at("skipped") == "layer.sizes, epoch");
  }
}

TEST_CASE("of a training checkpoint only the state_dict is read") {
  const Archive archive = parse_pth(fixture("training.pth"), "f");
  REQUIRE(archive.entries.size() == 2);
  CHECK(to_f32(entry(archive, "weight")) == Floats{1, -1});
  CHECK(to_f32(entry(archive, "bias")) == Floats{0.5f});
  CHECK(archive.metadata.at("skipped") == "epoch, optimizer, best_accuracy");

  const auto names_of = [](const std::string& object) {
    std::string names;
    for (const auto& [name, array] : parse_pth(torch_zip(object, {bytes_of(kSix)}), "f").entries)
      names += name + " ";
    return names;
  };
  const std::string weights = dict({text("w"), good_tensor()});
  CHECK(names_of(dict({text("model"), weights})) == "w ");
  CHECK(names_of(dict({text("model_state_dict"), weights, text("x"), weights})) == "w ");
  CHECK(names_of(dict({text("model"), dict({text("x"), good_tensor()}), text("state_dict"), weights})) ==
        "w ");
  CHECK(names_of(dict({text("model"), dict({text("a"), text("resnet18")}), text("net"), weights})) ==
        "net.w ");
  CHECK(names_of(dict({text("model"), weights, text("w"), good_tensor()})) == "model.w w ");
  CHECK(names_of(dict({text("layers"), dict({integer(0), weights})})) == "layers.0.w ");
}

TEST_CASE("a whole model is refused with the remedy") {
  const std::string sentence = refusal([] { parse(fixture("whole_model.pth")); });
  CHECK(sentence ==
        "f: refuses to run torch.nn.modules.linear.Linear: the file holds a whole model, whose code would "
        "have to "
        "run; load it where it was made and save model.state_dict() instead");
  CHECK(mentions(zip_refusal(global("__main__", "Net") + ")\x81"),
                 "refuses to run __main__.Net: the file holds"));
}

TEST_CASE("hostile pickles are refused by name in both forms") {
  const std::string hostile = call(global("os", "system"), {text("touch /tmp/signet_was_here")});
  for (const std::string& object : {hostile, dict({text("w"), hostile}), dict({hostile, good_tensor()})}) {
    for (const std::string& file : {torch_zip(object, {}), torch_stream(object, {})}) {
      CHECK(mentions(refusal([&] { parse(file); }), "f: refuses to run os.system: "));
    }
  }
  for (const char* module : {"torch", "torch.storage", "torch.serialization", "torch._utils"}) {
    CHECK(mentions(zip_refusal(global(module, "load")), std::string("refuses to run ") + module + ".load"));
  }
  CHECK(mentions(zip_refusal(global("torch.storage", "_load_from_bytes")), "torch.storage._load_from_bytes"));
}

TEST_CASE("how PyTorch 0.1 and Python 2 wrote a state_dict is understood") {
  const std::string v1 = call(global("torch._utils", "_rebuild_tensor"),
                              {six(), integer(1), tuple({integer(2)}), tuple({integer(3)})});
  CHECK(floats_of(zip_with(v1)) == Floats{1, 4});
  const std::string parameter =
      global("torch.nn.parameter", "Parameter") + ")\x81" + tuple({v1, "\x88", "\x89"}) + "b";
  CHECK(floats_of(zip_with(parameter)) == Floats{1, 4});
  CHECK(floats_of(zip_with(global("torch.nn.parameter", "Parameter") + tuple({v1, "\x88"}) + "\x81")) ==
        Floats{1, 4});
  const std::string pairs = "](](" + text("w") + v1 + "ee";
  CHECK(floats_of(torch_zip(call(global("collections", "OrderedDict"), {pairs}), {bytes_of(kSix)})) ==
        Floats{1, 4});
  const std::string size = global("torch", "Size") + "(" + tuple({integer(2)}) + "tR";
  const std::string sized =
      call(global("torch._utils", "_rebuild_tensor"), {six(), integer(0), size, tuple({integer(1)})});
  CHECK(floats_of(zip_with(sized)) == Floats{0, 1});
  const std::string empty_parameter = global("torch.nn.parameter", "Parameter") + ")\x81";
  CHECK(mentions(zip_refusal(dict({text("w"), empty_parameter})), "the file holds no tensors"));
}

TEST_CASE("a storage may itself be a view with its own first element") {
  const auto part = [](int32_t first, int32_t elements) {
    return tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(6),
                  tuple({text("view"), integer(first), integer(elements)})}) +
           "Q";
  };
  const auto read_part = [&](int32_t first, int32_t elements) {
    return floats_of(torch_stream(dict({text("w"), tensor(part(first, elements), 1, {2}, {1})}),
                                  {{"0", 6, bytes_of(kSix)}}));
  };
  CHECK(read_part(2, 3) == Floats{3, 4});
  CHECK(mentions(refusal([&] { floats_of(zip_with(tensor(part(2, 3), 1, {3}, {1}))); }), "of 3 elements"));
  CHECK(mentions(refusal([&] { read_part(2, 5); }), "a view of storage 0 leaves it"));
  CHECK(mentions(refusal([&] { read_part(7, 0); }), "a view of storage 0 leaves it"));
}

TEST_CASE("strides are honoured") {
  CHECK(floats_of(zip_with(tensor(six(), 0, {2, 3}, {3, 1}))) == kSix);
  CHECK(floats_of(zip_with(tensor(six(), 0, {3, 2}, {1, 3}))) == Floats{0, 3, 1, 4, 2, 5});
  CHECK(floats_of(zip_with(tensor(six(), 1, {2, 2}, {3, 1}))) == Floats{1, 2, 4, 5});
  CHECK(floats_of(zip_with(tensor(six(), 0, {2, 1, 3}, {3, 99, 1}))) == kSix);
  CHECK(floats_of(zip_with(tensor(six(), 0, {3, 2, 2}, {1, 0, 3}))) ==
        Floats{0, 3, 0, 3, 1, 4, 1, 4, 2, 5, 2, 5});
  CHECK(floats_of(zip_with(tensor(six(), 5, {}, {}))) == Floats{5});
  CHECK(floats_of(zip_with(tensor(six(), 99, {0}, {1}))).empty());
  CHECK(floats_of(zip_with(tensor(six(), 0, {1 << 30, 0, 1 << 30}, {9, 9, 9}))).empty());
}

TEST_CASE("tensors that leave their storage are refused") {
  const auto refused = [](const std::string& tensor_opcodes) {
    return zip_refusal(dict({text("w"), tensor_opcodes}));
  };
  constexpr int32_t kHuge = INT32_MAX;
  CHECK(refused(good_tensor()) == "accepted");
  for (const std::string& outside :
       {tensor(six(), 0, {7}, {1}), tensor(six(), 1, {6}, {1}), tensor(six(), 6, {}, {}),
        tensor(six(), 0, {2}, {6}), tensor(six(), kHuge, {1}, {1}), tensor(six(), 0, {kHuge}, {1}),
        tensor(six(), 0, {2}, {kHuge})}) {
    CHECK(mentions(refused(outside), "leave storage 0 of 6 elements"));
    CHECK(mentions(refused(outside), "f: tensor \"w\": sizes ["));
  }
  CHECK(mentions(refused(tensor(six(), 0, {kHuge, kHuge, kHuge}, {0, 0, 0})),
                 "sizes [2147483647, 2147483647, 21474836"
                 "47] overflow"));
  const auto wide = [](int64_t number) { return "\x8a\x08" + little_endian(number); };
  const auto wide_tensor = [&](int64_t offset, int64_t size, int64_t stride) {
    return call(global("torch._utils", "_rebuild_tensor"),
                {six(), wide(offset), tuple({wide(size)}), tuple({wide(stride)})});
  };
  CHECK(mentions(refused(wide_tensor(INT64_MAX, 1, 1)), "leave storage"));
  CHECK(mentions(refused(wide_tensor(0, INT64_MAX, 0)), "overflow"));
  CHECK(mentions(refused(wide_tensor(1, 3, INT64_MAX)), "leave storage"));
  CHECK(mentions(refused(wide_tensor(0, 5, int64_t{1} << 62)), "leave storage"));
  CHECK(mentions(refused(tensor(six(), -1, {1}, {1})), "a tensor's storage offset is not a whole number"));
  CHECK(mentions(refused(tensor(six(), 0, {-1}, {1})), "a tensor's sizes is not a whole number"));
  CHECK(mentions(refused(tensor(six(), 5, {2}, {-1})), "a tensor's strides is not a whole number"));
  CHECK(mentions(refused(tensor(six(), 0, {2, 3}, {1})), "its sizes and strides do not match"));
  CHECK(mentions(refused(tensor(text("x"), 0, {1}, {1})), "it has no storage"));
  CHECK(
      mentions(refused(call(global("torch._utils", "_rebuild_tensor"), {six()})), "described incompletely"));
  CHECK(mentions(refused(tensor(six(), 0, {1 << 28, 1}, {0, 1})),
                 "it repeats its elements into 1073741824 bytes"));
  const std::string conjugated = call(global("torch._utils", "_rebuild_tensor_v2"),
                                      {six(), integer(0), tuple({integer(1)}), tuple({integer(1)}), "\x89",
                                       "N", dict({text("conj"), "\x88"})});
  CHECK(mentions(refused(conjugated), "negated or conjugated view"));
}

TEST_CASE("storages that contradict their description are refused") {
  const auto refused = [](const std::string& storage_opcodes, const std::vector<std::string>& storages) {
    return zip_refusal(dict({text("w"), tensor(storage_opcodes, 0, {1}, {1})}), storages);
  };
  CHECK(mentions(refused(six(), {}), "f: storage 0 is missing"));
  CHECK(mentions(refused(six(), {"123"}), "storage 0 has 3 bytes instead of 6 elements of F32"));
  CHECK(mentions(refused(six(), {std::string(25, '\0')}), "storage 0 has 25 bytes instead of 6 elements"));
  CHECK(mentions(refused(storage("DoubleStorage", "0", 6), {bytes_of(kSix)}),
                 "has 24 bytes instead of 6 elements of F64"));
  CHECK(mentions(refused(storage("FloatStorage", std::string(2000, '0'), 6), {}), "is too long"));
  CHECK(mentions(refused(storage("FloatStorage", "0", -6), {bytes_of(kSix)}),
                 "a storage's size is not a whole number"));
  CHECK(mentions(refused(text("x") + "Q", {}), "a persistent id is not that of a storage"));
  CHECK(mentions(refused(tuple({text("module"), "N", "N", "N", "N"}) + "Q", {}), "is not that of a storage"));
  CHECK(mentions(refused(tuple({text("storage"), "N", text("0"), text("cpu"), integer(6)}) + "Q", {}),
                 "type is unknown"));
  CHECK(mentions(zip_refusal(dict({text("a"), good_tensor(), text("b"),
                                   tensor(storage("HalfStorage", "0", 12), 0, {1}, {1})})),
                 "storage 0 is described in two ways"));
}

TEST_CASE("objects that are no dict of tensors are refused") {
  CHECK(mentions(zip_refusal(good_tensor()), "the file holds a single tensor instead of a dict of tensors"));
  CHECK(mentions(zip_refusal(fmt::format("]{}a", good_tensor())),
                 "the file holds a list instead of a dict of tensors"));
  CHECK(mentions(zip_refusal(integer(3)), "the file holds another object instead of a dict of tensors"));
  CHECK(mentions(zip_refusal(dict({})), "the file holds no tensors"));
  CHECK(mentions(zip_refusal(dict({text("epoch"), integer(3)})), "the file holds no tensors"));
  CHECK(mentions(zip_refusal(dict({"N", good_tensor()})),
                 "a key of a dict is neither a string nor an integer"));
  CHECK(mentions(zip_refusal(dict({text("w"), good_tensor(), text("w"), good_tensor()})),
                 "tensor \"w\" appears twice"));
  CHECK(mentions(zip_refusal(dict({text("a.b"), good_tensor(), text("a"), dict({text("b"), good_tensor()})})),
                 "tensor \"a.b\" appears twice"));
  CHECK(mentions(zip_refusal(dict({text(std::string(2000, 'a')), good_tensor()})), "is too long"));
  CHECK(mentions(zip_refusal(call(global("collections", "OrderedDict"), {"]", "]"})),
                 "made of several arguments"));
  CHECK(mentions(zip_refusal(call(global("collections", "OrderedDict"), {"]Na"})),
                 "something that is not pairs"));
}

TEST_CASE("dicts that blow up or go in circles are refused") {
  // {"w": tensor, "d": <itself>}
  CHECK(mentions(zip_refusal("}q\x01" + text("d") + "h\x01s" + text("w") + good_tensor() + "s"),
                 "dicts nest deeper than 32 or in a circle"));
  // A Parameter whose state is itself.
  const std::string parameter = global("torch.nn.parameter", "Parameter") + ")\x81q\x01(h\x01tb";
  CHECK(mentions(zip_refusal(dict({text("w"), parameter})), "the file holds no tensors"));
  // Each dict holds the one before it ten times.
  std::string laughs = dict({text("w"), good_tensor()}) + std::string("q\0", 2);
  for (char level = 1; level < 20; ++level) {
    laughs += "0}(";
    for (int i = 0; i < 10; ++i) laughs += integer(i) + "h" + char(level - 1);
    laughs += std::string("uq") + level;
  }
  CHECK(mentions(zip_refusal(laughs), "the dicts hold more than 131072 items"));
}

TEST_CASE("the zip form must be one of torch.save") {
  const auto zip_of = [](const std::vector<ZipPart>& parts) {
    return refusal([&] { parse(zip_file(parts)); });
  };
  const std::string object = pickle(dict({text("w"), good_tensor()}));
  const ZipPart data = {"m/data/0", bytes_of(kSix)};
  CHECK(zip_of({{"m/data.pkl", object}, data}) == "accepted");
  CHECK(zip_of({{"m/data.pkl", object}, {"m/byteorder", "little"}, data}) == "accepted");
  CHECK(
      mentions(zip_of({{"m/data.pkl", object}, {"m/byteorder", "big"}, data}), "its byte order is \"big\""));
  CHECK(mentions(zip_of({{"m/data.pkl", object}, data, {"../evil", ""}}),
                 "zip entry \"../evil\" does not belong to \"m/\""));
  CHECK(mentions(zip_of({{"m/data.pkl", object}, {"n/data.pkl", object}, data}),
                 "\"n/data.pkl\" does not belong"));
  CHECK(mentions(zip_of({{"m/data.pkl", object}, {"m/constants.pkl", ""}, data}),
                 "looks like a TorchScript model"));
  CHECK(mentions(zip_of({{"m/data.pkl", object}, {"m/code/__torch__.py", ""}, data}), "torch.jit.load"));
  CHECK(mentions(zip_of({{"weight.npy", ""}}), "looks like a NumPy archive"));
  CHECK(mentions(zip_of({{"config.json", ""}, {"model.weights.h5", ""}}), "looks like a Keras model"));
  CHECK(mentions(zip_of({{"weights.pth", ""}}), "it has no data.pkl"));
  CHECK(mentions(zip_of({}), "it has no data.pkl"));

  const std::string file = zip_file({{"m/data.pkl", object}, data});
  const size_t at = file.find(bytes_of(kSix));
  CHECK(mentions(refusal([&] { parse(patched(file, at, "x")); }), "zip entry \"m/data/0\": CRC-32"));
  CHECK(mentions(refusal([&] { parse(patched(file, file.find("torch"), "Torch")); }),
                 "zip entry \"m/data.pkl\": CRC-32"));
}

TEST_CASE("the stream form must be one of torch.save") {
  const std::string object = dict({text("w"), good_tensor()});
  const auto stream_of = [&](const std::vector<StreamStorage>& storages) {
    return refusal([&] { parse(torch_stream(object, storages)); });
  };
  const StreamStorage good = {"0", 6, bytes_of(kSix)};
  CHECK(stream_of({good}) == "accepted");
  CHECK(mentions(stream_of({}), "storage 0 is missing"));
  CHECK(mentions(stream_of({good, good}), "storage 0 appears twice"));
  CHECK(mentions(stream_of({good, {"1", 0, ""}}), "no tensor uses storage 1"));
  CHECK(mentions(stream_of({{"0", 5, bytes_of(kSix)}}), "storage 0 has 5 elements instead of 6"));
  CHECK(mentions(stream_of({{"0", -1, bytes_of(kSix)}}), "storage 0 has 18446744073709551615 elements"));
  CHECK(mentions(stream_of({{"0", 6, "short"}}), "storage 0 is cut off"));
  CHECK(mentions(stream_of({{"0", 6, bytes_of(kSix) + "more"}}), "4 bytes follow the last storage"));

  const auto parse_refusal = [](const std::string& file) { return refusal([&] { parse(file); }); };
  CHECK(mentions(parse_refusal(pickle(dict({}))), "a pickle, but not one of torch.save"));
  const std::string file = torch_stream(object, {good});
  const size_t version = file.find(integer(1001));
  CHECK(mentions(parse_refusal(patched(file, version + 1, "\x01")), "a version of torch.save's stream form"));
  CHECK(mentions(parse_refusal(patched(file, file.find("\x88"), "\x89")), "big-endian machine"));
  CHECK(mentions(parse_refusal(patched(file, file.find("little_endian"), "brittle")),
                 "does not tell its byte order"));
}

TEST_CASE("damage to files of torch.save ends in an Error") {
  for (const char* name : {"state_dict.pth", "state_dict_stream.pth", "training.pth"}) {
    CAPTURE(name);
    const std::string file = fixture(name);
    const DamageReport truncated = read_truncated(file, parse);
    CHECK(truncated.failures.empty());
    CHECK(truncated.accepted == 0);
    const DamageReport changed = read_with_changed_bytes(file, parse);
    CHECK(changed.failures.empty());
    CHECK(changed.refused > int(file.size()) / 4);
  }
  // Without the zip's CRC-32 in the way, damage reaches every part of the pickle and of the rebuilding.
  const std::string object =
      dict({text("w"), good_tensor(), text("d"), dict({text("v"), tensor(six("1"), 2, {2, 2}, {1, 2})})});
  const std::string stream = torch_stream(object, {{"0", 6, bytes_of(kSix)}, {"1", 6, bytes_of(kSix)}});
  CHECK_NOTHROW(parse(stream));
  CHECK(read_with_changed_bytes(stream, parse).failures.empty());
}

TEST_CASE("a file that is not there is named") {
  CHECK(refusal([] { read_pth("/nowhere/w.pth"); }).starts_with("/nowhere/w.pth: "));
}
