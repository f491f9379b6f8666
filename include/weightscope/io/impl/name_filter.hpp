#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/name_filter.hpp>

namespace weightscope {

namespace detail {

inline std::vector<std::regex> compiled_patterns(const std::vector<std::string>& patterns, const char* option)
{
    std::vector<std::regex> result;
    for (const std::string& pattern : patterns)
        try {
            result.emplace_back(pattern, std::regex::ECMAScript | std::regex::optimize);
        } catch (const std::regex_error& error) {
            throw std::invalid_argument(
                fmt::format("weightscope::name_filter(options): options.{} has '{}', which is no regular expression: {}", option, pattern, error.what()));
        }
    return result;
}

inline bool matches_one(const std::vector<std::regex>& patterns, std::string_view name)
{
    constexpr std::size_t longest = 4096;  // std::regex calls itself for every character: a name of a megabyte would end the program
    name = name.substr(0, longest);
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::regex& pattern) { return std::regex_search(name.begin(), name.end(), pattern); });
}

}  // namespace detail

struct name_filter::patterns
{
    std::vector<std::regex> include, exclude;
};

WEIGHTSCOPE_INLINE name_filter::name_filter(const name_filter_options& options)
    : patterns_(std::make_shared<const patterns>(
          patterns{detail::compiled_patterns(options.include, "include"), detail::compiled_patterns(options.exclude, "exclude")})),
      restrict_to_(options.restrict_to)
{
}

WEIGHTSCOPE_INLINE bool name_filter::takes(std::string_view name) const
{
    const auto holds = [&](const std::string& part) { return name.find(part) != std::string_view::npos; };
    return (patterns_->include.empty() || detail::matches_one(patterns_->include, name)) && !detail::matches_one(patterns_->exclude, name)
           && (restrict_to_.empty() || std::any_of(restrict_to_.begin(), restrict_to_.end(), holds));
}

}  // namespace weightscope
