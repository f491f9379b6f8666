#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/text_layout.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::string console_style::paint(const char* code, std::string_view text) const
{
    return color && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

WEIGHTSCOPE_INLINE std::string console_style::of(severity level, std::string_view text) const
{
    return paint(level == severity::critical ? "1;31" : level == severity::warning ? "33" : "36", text);
}

WEIGHTSCOPE_INLINE std::string console_style::of(health_grade grade, std::string_view text) const
{
    return paint(grade == health_grade::excellent || grade == health_grade::good ? "1;32"
                 : grade == health_grade::warning                                ? "1;33"
                                                                                 : "1;31",
                 text);
}

WEIGHTSCOPE_INLINE std::string counted(std::size_t count, std::string_view one, std::string_view many)
{
    return fmt::format("{} {}", grouped(count), count == 1 ? one : many);
}

WEIGHTSCOPE_INLINE void append_wrapped(std::string& text, std::string_view paragraph, std::size_t width, std::size_t indent,
                                       const std::function<std::string(std::string_view)>& paint)
{
    for (const std::string& line : wrapped(paragraph, width - indent))
        text += std::string(indent, ' ') + paint(line) + "\n";
}

WEIGHTSCOPE_INLINE std::string plain(std::string_view text)
{
    return std::string(text);
}

}  // namespace weightscope::detail
