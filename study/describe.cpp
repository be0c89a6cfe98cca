#include <fmt/ranges.h>

#include "study/study.h"
#include "tensor/error.h"

namespace signet::study {

Args describe(const StudyOptions& o) {
  std::vector<std::string> splits;
  for (const auto split : o.splits) splits.emplace_back(data::split_name(split));
  Args args{{"verb", o.verb},
            {"flags", o.flags},
            {"data", o.data.string()},
            {"weights", o.weights.string()},
            {"name_pattern", o.name_pattern},
            {"skip_bad", o.skip_bad},
            {"split", splits},
            {"folds", int64_t{o.folds}},
            {"seed", o.seed},
            {"augment", o.augment},
            {"fliplr", o.augmentation.fliplr},
            {"degrees", o.augmentation.degrees},
            {"translate", o.augmentation.translate},
            {"scale", o.augmentation.scale},
            {"brightness", o.augmentation.brightness},
            {"contrast", o.augmentation.contrast},
            {"interpolation", std::string(o.augmentation.nearest ? "nearest" : "bilinear")},
            {"device", o.device.to_string()}};
  if (o.views > 0) args.emplace_back("views", int64_t{o.views});
  if (!o.device.on_host() || o.precision != "f32") args.emplace_back("precision", o.precision);
  for (const auto& plan : o.plans) {
    const auto& t = plan.training;
    const auto add = [&](const char* name, ArgValue value) {
      args.emplace_back(plan.name + "." + name, std::move(value));
    };
    add("architecture", plan.architecture);
    add("image_size", int64_t{plan.image_size});
    add("width", int64_t{plan.width});
    add("first_trainable", plan.first_trainable);
    add("bn", std::string(plan.batch_statistics ? "train" : "frozen"));
    add("pretrained", plan.pretrained);
    add("continues", plan.continues);
    add("folds", plan.all_folds       ? "all"
                 : plan.folds.empty() ? "best"
                                      : fmt::format("{}", fmt::join(plan.folds, ",")));
    add("keep", std::string(plan.keep_best ? "best" : "last"));
    add("epochs", int64_t{t.epochs});
    add("batch_size", int64_t{t.batch_size});
    add("lr", t.lr);
    add("opt", t.optimizer);
    add("lr_scheduler", t.lr_scheduler);
    add("weight_decay", t.weight_decay);
    add("momentum", t.momentum);
    add("nesterov", t.nesterov);
    add("label_smoothing", t.label_smoothing);
    add("class_weights", t.class_weights);
    add("clip_grad", t.clip_grad);
    add("patience", int64_t{t.patience});
  }
  return args;
}

}  // namespace signet::study
