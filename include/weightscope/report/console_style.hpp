#pragma once
// Colours and lines of texts for a terminal.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/health_result.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

struct console_options
{
    std::size_t width = 100;      ///< columns, 60 to 200
    bool color = false;           ///< ANSI colours
    std::size_t top_issues = 10;  ///< at most so many findings, and rows of each table
    bool heavy_tails = false;     ///< also a table of power law exponents
};

namespace detail {

struct console_style
{
    bool color = false;

    std::string paint(const char* code, std::string_view text) const;
    std::string bold(std::string_view text) const { return paint("1", text); }
    std::string dim(std::string_view text) const { return paint("2", text); }
    std::string of(severity level, std::string_view text) const;
    std::string of(health_grade grade, std::string_view text) const;
};

WEIGHTSCOPE_INLINE std::string counted(std::size_t count, std::string_view one, std::string_view many);

WEIGHTSCOPE_INLINE void append_wrapped(std::string& text, std::string_view paragraph, std::size_t width, std::size_t indent,
                                       const std::function<std::string(std::string_view)>& paint);

WEIGHTSCOPE_INLINE std::string plain(std::string_view text);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/console_style.hpp>
#endif
