#include "study/progress.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <thread>
#include <vector>

namespace signet::study {
namespace {

/// A progress display that writes to a string, on a clock of its own.
struct Display {
  explicit Display(bool terminal, int width = 80) {
    settings.out = &out;
    settings.terminal = terminal;
    settings.width = width;
    settings.now = [this] { return time; };
  }

  /// What the last redraw left on the line.
  std::string shown() const {
    const std::string text = out.str();
    return text.substr(text.rfind("\x1b[K") + 3);
  }

  std::ostringstream out;
  double time = 100;
  ProgressSettings settings;
};

TEST_CASE("durations are read at a glance and never say 60") {
  CHECK(duration_text(0.4) == "0.4 s");
  CHECK(duration_text(9.96) == "10 s");
  CHECK(duration_text(59.4) == "59 s");
  CHECK(duration_text(59.6) == "1 min 00 s");
  CHECK(duration_text(185) == "3 min 05 s");
  CHECK(duration_text(3599.7) == "1 h 00 min");
  CHECK(duration_text(3720) == "1 h 02 min");
  CHECK(duration_text(86399) == "1 d 00 h");
  CHECK(duration_text(2 * 86400 + 3 * 3600) == "2 d 03 h");
  CHECK(duration_text(-1) == "-");
  CHECK(duration_text(INFINITY) == "-");
  CHECK(duration_text(NAN) == "-");
}

TEST_CASE("without a terminal only whole lines are printed, and no control characters") {
  Display display(false);
  {
    Progress progress(display.settings);
    progress.start("fold 1", 100);
    for (int i = 0; i < 100; ++i) {
      display.time += 1;
      progress.advance(1);
    }
    progress.line("epoch 1 done \x1b[31mred");
    progress.finish();
    progress.line("epoch 2 done");
  }
  CHECK(display.out.str() == "epoch 1 done ?[31mred\nepoch 2 done\n");
}

TEST_CASE("the bar shows share, count, rate and time left") {
  Display display(true);
  Progress progress(display.settings);
  progress.start("fold 1/5 epoch 3/10", 200);
  display.time += 2;
  progress.advance(50);
  CHECK(display.shown() == "fold 1/5 epoch 3/10  [======                   ]   50/200  25 img/s  6.0 s left");
}

TEST_CASE("the bar fits the terminal and gives way before its words do") {
  for (const int width : {1, 2, 10, 20, 40, 60, 80, 200}) {
    Display display(true, width);
    Progress progress(display.settings);
    progress.start("a rather long description of what is being done", 200);
    display.time += 2;
    progress.advance(50);
    CHECK(int(display.shown().size()) < width);
    CHECK((display.shown().find('[') != std::string::npos) == (width > 80));
    if (width >= 60) CHECK(display.shown().find("6.0 s left") != std::string::npos);
  }
}

TEST_CASE("the bar is drawn at most ten times a second, and cleared") {
  Display display(true);
  {
    Progress progress(display.settings);
    progress.start("x", 1000);
    for (int i = 0; i < 1000; ++i) {
      display.time += 0.001;
      progress.advance(1);
    }
  }
  const std::string text = display.out.str();
  CHECK(std::ranges::count(text, '\r') <= 12);
  CHECK(std::ranges::count(text, '\r') >= 9);
  CHECK(text.ends_with("\r\x1b[K"));
}

TEST_CASE("lines are printed above the bar, which comes back") {
  Display display(true);
  Progress progress(display.settings);
  progress.start("x", 10);
  progress.line("epoch done");
  CHECK(display.out.str().find("\r\x1b[Kepoch done\n\r\x1b[Kx  [") != std::string::npos);
  progress.finish();
  const std::string before = display.out.str();
  progress.advance(5);
  CHECK(display.out.str() == before);
  progress.line("the end");
  CHECK(display.out.str() == before + "the end\n");
}

TEST_CASE("more images than announced and an unknown number do no harm") {
  Display display(true);
  Progress progress(display.settings);
  progress.start("x", 10);
  display.time += 1;
  progress.advance(15);
  CHECK(display.shown().find("15/10") != std::string::npos);
  progress.start("y", 0);
  display.time += 1;
  progress.advance(15);
  CHECK(display.shown() == "y  15 images  15 img/s");
}

TEST_CASE("threads may report at once") {
  Display display(true);
  Progress progress(display.settings);
  progress.start("x", 400000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&progress] {
      for (int i = 0; i < 100000; ++i) progress.advance(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  display.time += 1;
  progress.advance(0);
  CHECK(display.shown().find("400000/400000") != std::string::npos);
}

TEST_CASE("an epoch's line has what was measured") {
  EpochRecord record;
  record.model = "resnet18-fc";
  record.epoch = 3;
  record.validation = {0.9135, 0.9, 0.9, 0.905, 0.312, 3, 503};
  record.seconds = 15.2;
  CHECK(epoch_line(record, 5, 10) ==
        "resnet18-fc      fold 1/5  epoch  3/10  val loss 0.3120 acc  91.35% F1 0.905  15 s");
  record.train = {0.88, 0.8, 0.8, 0.8, 0.4312, 27, 2012};
  record.images_per_second = 133.4;
  CHECK(epoch_line(record, 5, 10, 185) ==
        "resnet18-fc      fold 1/5  epoch  3/10  train loss 0.4312 acc  88.00%  val loss 0.3120 acc  91.35% "
        "F1 0.905  133 img/s  15 s  (3 min 05 s left)");
}

}  // namespace
}  // namespace signet::study
