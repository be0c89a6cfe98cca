#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/layer_bench.h"
#include "study/svg_axis.h"
#include "study/svg_canvas.h"

namespace signet::study {
namespace {

constexpr double kWidth = 860, kHeight = 560, kLeft = 80, kRight = 24, kTop = 84, kBottom = 64;

struct PassLook {
  cpu::ConvPass pass;
  const char* label;
  Colour colour;
};
constexpr PassLook kLooks[] = {{cpu::ConvPass::forward, "forward", kBlue},
                               {cpu::ConvPass::backward_data, "gradient by the data", kGreen},
                               {cpu::ConvPass::backward_weight, "gradient by the weights", kVermilion}};

}  // namespace

std::string roofline_svg(const std::vector<LayerTime>& times, const Peak& peak, const std::string& title) {
  double low_x = peak.gflops / peak.gbytes_s / 2, high_x = 2 * low_x, low_y = peak.gflops,
         high_y = peak.gflops;
  for (const auto& time : times) {
    low_x = std::min(low_x, time.intensity());
    high_x = std::max(high_x, time.intensity());
    low_y = std::min(low_y, time.gflops());
    high_y = std::max(high_y, time.gflops());
  }
  constexpr int kMostTicks = 8;
  const Axis x_axis = log_axis(low_x * 0.9, high_x * 1.1, kMostTicks);
  const Axis y_axis = log_axis(low_y * 0.8, high_y * 1.2, kMostTicks);
  const double plot_width = kWidth - kLeft - kRight, plot_height = kHeight - kTop - kBottom;
  const auto at = [&](double x, double y) {
    return Point{kLeft + x_axis.share(x) * plot_width, kHeight - kBottom - y_axis.share(y) * plot_height};
  };

  Svg svg(kWidth, kHeight, title);
  svg.text({kLeft, 28}, title, {.size = 16, .bold = true});
  double legend = kLeft;
  for (const auto& look : kLooks) {
    svg.dot({legend + 5, 50}, 5, look.colour);
    svg.text({legend + 16, 54}, look.label);
    legend += 32 + text_width(look.label, 12);
  }
  svg.ring({legend + 5, 50}, 5, {.colour = kInk});
  svg.text({legend + 16, 54}, "ring: by Winograd's algorithm");
  for (const double tick : x_axis.ticks) {
    const Point foot = at(tick, y_axis.low);
    svg.line(foot, at(tick, y_axis.high), {.colour = kGrid});
    svg.text({foot.x, foot.y + 18}, x_axis.label(tick), {.anchor = Anchor::middle, .colour = kMuted});
  }
  for (const double tick : y_axis.ticks) {
    const Point foot = at(x_axis.low, tick);
    svg.line(foot, at(x_axis.high, tick), {.colour = kGrid});
    svg.text({foot.x - 8, foot.y + 4}, y_axis.label(tick), {.anchor = Anchor::end, .colour = kMuted});
  }
  svg.text({kLeft + plot_width / 2, kHeight - 16}, "operations per byte moved, at least (logarithmic)",
           {.anchor = Anchor::middle});
  svg.text({22, kTop + plot_height / 2}, "GFLOP/s of direct summation (logarithmic)",
           {.anchor = Anchor::middle, .degrees = -90});

  const double ridge = peak.gflops / peak.gbytes_s;
  const double memory_from = std::max(x_axis.low, y_axis.low / peak.gbytes_s);
  const Point roof[] = {at(memory_from, memory_from * peak.gbytes_s), at(ridge, peak.gflops),
                        at(x_axis.high, peak.gflops)};
  svg.polyline(roof, {.width = 2});
  svg.text({roof[2].x, roof[2].y - 8}, fmt::format("arithmetic: {:.0f} GFLOP/s", peak.gflops),
           {.anchor = Anchor::end, .colour = kMuted});
  svg.text({roof[0].x + 8, roof[0].y - 4}, fmt::format("memory: {:.0f} GB/s", peak.gbytes_s),
           {.colour = kMuted});

  for (const auto& time : times) {
    const Point place = at(time.intensity(), time.gflops());
    for (const auto& look : kLooks) {
      if (look.pass == time.pass) svg.dot(place, 5, look.colour, 0.85);
    }
    if (time.algorithm == cpu::ConvAlgorithm::winograd) svg.ring(place, 8, {.colour = kInk});
    if (time.pass == cpu::ConvPass::forward)
      svg.text({place.x + 11, place.y + 4}, time.layer.name, {.size = 10});
  }
  return std::move(svg).finish();
}

}  // namespace signet::study
