// --config: flags from a TOML file, and a run replayed from its args.json.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/world.h"

namespace signet::test {
namespace {

using Json = nlohmann::json;

struct World {
  Folder folder;
  World() { copy_classes(folder, {"a", "b"}); }

  Json args(const std::string& run) const { return Json::parse(folder.read(run + "/args.json")); }
};

TEST_CASE_FIXTURE(World, "a configuration file says flags, and the command line has the last word") {
  folder.write("run.toml",
               "# what all verbs share\n"
               "data = \"data\"  # a \"comment\"\n"
               "'folds' = 2\n"
               "epochs = 1_0\n"
               "batch_size = 8\n"
               "\n"
               "[train]\n"
               "model = 'mlp'\n"
               "epochs = 3\n"
               "no-augment = false\n"
               "[study]\n"
               "models = [\n  \"mlp\",  # grey\n  \"cnn\",\n]\n"
               "name = \"a \\\"b\\\" #c\"\n"
               "no_augment = true\r\n");
  check_succeeds(folder,
                 {"train", "--output", "one", "--config", "run.toml", "--epochs", "2", "--seed", "5"});
  const Json one = args("one");
  CHECK(one.at("mlp.epochs") == 2);
  CHECK(one.at("mlp.batch_size") == 8);
  CHECK(one.at("augment") == true);
  CHECK(one.at("flags") ==
        Json({"--data=data", "--folds=2", "--seed=5", "--epochs=2", "--batch-size=8", "--model=mlp"}));

  const Result study =
      check_succeeds(folder, {"study", "--config=run.toml", "--epochs=1", "--no-augment=false"});
  CHECK(study.out.ends_with("written to runs/study/a \"b\" #c1\n"));
  const Json two = args("runs/study/a \"b\" #c1");
  CHECK(two.at("augment") == true);
  CHECK(two.at("mlp.epochs") == 1);
  CHECK(two.contains("cnn.epochs"));
  CHECK_FALSE(two.contains("resnet18-fc.epochs"));

  folder.write("predict.toml",
               "checkpoint = \"one/weights/mlp-best.safetensors\"\nimages = [\"data/a\"]\ntop = 2\n");
  const Result named = check_succeeds(folder, {"predict", "--config", "predict.toml"});
  CHECK(count_lines(named.out) == 6);
}

TEST_CASE_FIXTURE(World, "the args.json of a run replays it to the same bits") {
  check_succeeds(folder, {"cv", "--data", "data", "--model", "mlp", "--epochs", "2", "--folds", "2", "--seed",
                          "18446744073709551615", "--lr=0.0031", "--opt", "sgd", "--nesterov", "--split",
                          "group", "--output", "first"});
  const Result again = check_succeeds(folder, {"cv", "--config", "first/args.json", "--output", "again"});
  CHECK(again.out.find("than in first/args.json") == again.out.npos);
  check_same(bits(folder, "first"), bits(folder, "again"));
  CHECK(args("first").at("flags") == args("again").at("flags"));

  // What differs from the run is said, be it a flag or the data.
  fs::remove(folder / "data/a/hand1_a_dif_seg_1_cropped.png");
  const Result other =
      check_succeeds(folder, {"cv", "--config", "first/args.json", "--seed", "1", "--dry-run"});
  CHECK(other.out.find("another seed than in first/args.json") != other.out.npos);
  CHECK(other.out.find("another data set, or its images have changed than in") != other.out.npos);
  CHECK(other.out.find("another mlp.lr") == other.out.npos);

  check_refused(folder, {"train", "--config", "first/args.json"},
                {"first/args.json: is of a run of signet cv", "signet cv --config first/args.json"});
}

TEST_CASE("a configuration file that cannot be followed is refused with its line and its key") {
  const Folder folder;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& fragments) {
    folder.write("run.toml", text);
    CAPTURE(text);
    check_refused(folder, {"study", "--config", "run.toml"}, fragments);
  };
  refused("\nepoch = 3\n",
          {"run.toml:2: epoch: signet study has no such flag; did you mean --epochs?", "[study]"});
  refused("[study]\ndata = \"x\"\nepochs = 0\n", {"run.toml:3: epochs: must be at least 1, not 0"});
  refused("epochs = \"many\"", {"run.toml:1: epochs: 'many' is not a whole number"});
  refused("models = [\"mlp\", \"rnn\"]", {"run.toml:1: models: 'rnn' is unknown"});
  refused("epochs = [1, 2]", {"run.toml:1: epochs takes one value"});
  refused("models = []", {"run.toml:1: models has no value"});
  refused("no-augment = \"yes\"", {"run.toml:1: no-augment is true or false, not yes"});
  refused("[stdy]\nepochs = 1", {"run.toml:2: [stdy] is no verb", "did you mean [study]?"});
  refused("data = \"x\"\ndata = \"y\"", {"run.toml:2: data is given twice (first in line 1)"});
  refused("data = \"x\"\ndata-dir = \"y\"", {"run.toml:2: data-dir says again"});
  refused("epochs 3", {"run.toml:1: '=' is missing", "'3'"});
  refused("= 3", {"run.toml:1: ", "key = value"});
  refused("data = hands", {"run.toml:1: 'hands' is no value", "quotation marks"});
  refused("data = \"x", {"run.toml:1: a string has no end"});
  refused("data = \"x\\y\"", {"run.toml:1: a backslash"});
  refused("data = \"x\" \"y\"", {"run.toml:1: what does '\"y\"' stand here for?"});
  refused("models = [\"mlp\"\n", {"run.toml:2: an array has no end"});
  refused("models = [\"mlp\" \"cnn\"]", {"run.toml:1: a comma is missing"});
  refused("{}", {"run.toml: does not say with which flags"});
  check_refused(folder, {"study", "--config", "absent.toml"}, {"absent.toml: cannot be opened"});
  check_refused(folder, {"study", "--config"}, {"--config needs a value"});
}

}  // namespace
}  // namespace signet::test
