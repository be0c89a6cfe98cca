#pragma once
// The texts that `signet serve` hands out: its page, and the description of its interface.

#include <string_view>

namespace signet::apps {

extern const std::string_view kPageHtml, kPageCss, kPageScript, kOpenApi;

}  // namespace signet::apps
