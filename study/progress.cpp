#include "study/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <utility>

#include "study/text.h"

namespace signet::study {
namespace {

constexpr double kSecondsBetweenRedraws = 0.1;
constexpr std::string_view kClearLine = "\r\x1b[K";

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string bar(double share, int width) {
  const int filled = int(std::lround(share * width));
  return fmt::format("[{}{}]", std::string(size_t(filled), '='), std::string(size_t(width - filled), ' '));
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  // Each unit is chosen after rounding, so that no "60 s" can appear.
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 59.5) return fmt::format("{:.0f} s", seconds);
  const double whole = std::round(seconds);
  if (whole < 3600) return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
  const double minutes = std::round(seconds / 60);
  if (minutes < 24 * 60) {
    return fmt::format("{:.0f} h {:02.0f} min", std::floor(minutes / 60), std::fmod(minutes, 60));
  }
  const double hours = std::round(seconds / 3600);
  return fmt::format("{:.0f} d {:02.0f} h", std::floor(hours / 24), std::fmod(hours, 24));
}

bool stderr_is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && !(kind != nullptr && std::string_view(kind) == "dumb");
}

Progress::Progress(ProgressSettings settings) : settings_(std::move(settings)) {
  if (settings_.out == nullptr) settings_.out = &std::cerr;
  if (!settings_.now) {
    settings_.now = [] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
  }
}

Progress::~Progress() {
  finish();
}

void Progress::start(const std::string& what, int64_t images) {
  const std::lock_guard lock(mutex_);
  what_ = printable(what);
  total_ = images;
  done_ = 0;
  started_ = settings_.now();
  active_ = true;
  draw();
}

void Progress::advance(int64_t images) {
  const std::lock_guard lock(mutex_);
  if (!active_) return;
  done_ += images;
  if (settings_.now() - drawn_ >= kSecondsBetweenRedraws) draw();
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  active_ = false;
  clear();
}

void Progress::line(const std::string& text) {
  const std::lock_guard lock(mutex_);
  clear();
  *settings_.out << printable(text) << std::endl;
  if (active_) draw();
}

void Progress::clear() {
  if (!visible_) return;
  *settings_.out << kClearLine << std::flush;
  visible_ = false;
}

void Progress::draw() {
  if (!settings_.terminal) return;
  drawn_ = settings_.now();
  const double elapsed = drawn_ - started_;
  const double rate = elapsed > 0 ? double(done_) / elapsed : 0;

  const std::string total = fmt::format("{}", total_);
  std::string figures =
      total_ > 0 ? fmt::format("{:>{}}/{}", done_, total.size(), total) : fmt::format("{} images", done_);
  if (rate > 0) figures += fmt::format("  {:.{}f} img/s", rate, rate < 10 ? 1 : 0);
  if (rate > 0 && total_ > done_) {
    figures += fmt::format("  {} left", duration_text(double(total_ - done_) / rate));
  }

  // The last column stays free: writing into it makes some terminals wrap. The bar gives way first, then the
  // end of the name.
  constexpr int kWidestBar = 30;
  constexpr int kNarrowestBar = 6;
  const int columns = (settings_.width > 0 ? settings_.width : terminal_width()) - 1;
  const int spare = columns - int(characters(what_) + characters(figures)) - 6;
  std::string text;
  if (total_ > 0 && spare >= kNarrowestBar) {
    const double share = std::clamp(double(done_) / double(total_), 0.0, 1.0);
    text = fmt::format("{}  {}  {}", what_, bar(share, std::min(spare, kWidestBar)), figures);
  } else {
    const int room = std::max(columns - int(characters(figures)) - 2, 0);
    text = fmt::format("{}  {}", shortened(what_, size_t(room)), figures);
  }
  *settings_.out << kClearLine << shortened(text, size_t(std::max(columns, 0))) << std::flush;
  visible_ = true;
}

std::string epoch_line(const EpochRecord& record, int folds, int epochs, double seconds_left) {
  std::string text = fmt::format("{:<15}  fold {}/{}  epoch {:>2}/{}", record.model, record.fold + 1, folds,
                                 record.epoch, epochs);
  if (record.train.count > 0) {
    text += fmt::format("  train loss {:.4f} acc {:6.2f}%", record.train.loss, 100 * record.train.accuracy);
  }
  if (record.validation.count > 0) {
    text += fmt::format("  val loss {:.4f} acc {:6.2f}% F1 {:.3f}", record.validation.loss,
                        100 * record.validation.accuracy, record.validation.f1);
  }
  if (record.images_per_second > 0) text += fmt::format("  {:.0f} img/s", record.images_per_second);
  text += fmt::format("  {}", duration_text(record.seconds));
  if (seconds_left >= 0) text += fmt::format("  ({} left)", duration_text(seconds_left));
  return text;
}

}  // namespace signet::study
