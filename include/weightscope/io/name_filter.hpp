#pragma once

#include <algorithm>
#include <cstddef>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace weightscope {

struct name_filter_options
{
    std::vector<std::string> include =
        {};  ///< regular expressions; a name is taken if one of them matches a part of it, or if there are none
    std::vector<std::string> exclude =
        {};  ///< regular expressions; a name is left out if one of them matches a part of it
    std::vector<std::string> restrict_to =
        {};  ///< substrings; a name is taken if it has one of them, or if there are none
};

/// Chooses tensors by name.
///
///     const name_filter attention({.include = {"attn"}, .exclude = {"\\.bias$"}});
///     if (attention.takes(tensor.name)) ...
///
/// Patterns are ECMAScript's, and case counts. They see the first 4,096 bytes of a name.
class name_filter
{
public:
    /// @throws std::invalid_argument  a pattern is no regular expression
    explicit name_filter(const name_filter_options& options)
        : include_(compiled(options.include, "include")),
          exclude_(compiled(options.exclude, "exclude")),
          restrict_to_(options.restrict_to)
    {
    }

    [[nodiscard]] bool takes(std::string_view name) const
    {
        const auto holds = [&](const std::string& part) { return name.find(part) != std::string_view::npos; };
        return (include_.empty() || matches(include_, name)) && !matches(exclude_, name)
               && (restrict_to_.empty() || std::any_of(restrict_to_.begin(), restrict_to_.end(), holds));
    }

private:
    static std::vector<std::regex> compiled(const std::vector<std::string>& patterns, const char* option)
    {
        std::vector<std::regex> result;
        for (const std::string& pattern : patterns)
            try {
                result.emplace_back(pattern, std::regex::ECMAScript | std::regex::optimize);
            } catch (const std::regex_error& error) {
                throw std::invalid_argument(fmt::format(
                    "weightscope::name_filter(options): options.{} has '{}', which is no regular expression: {}",
                    option, pattern, error.what()));
            }
        return result;
    }

    static bool matches(const std::vector<std::regex>& patterns, std::string_view name)
    {
        constexpr std::size_t longest =
            4096;  // std::regex calls itself for every character: a name of a megabyte would end the program
        name = name.substr(0, longest);
        return std::any_of(patterns.begin(), patterns.end(), [&](const std::regex& pattern) {
            return std::regex_search(name.begin(), name.end(), pattern);
        });
    }

    std::vector<std::regex> include_, exclude_;
    std::vector<std::string> restrict_to_;
};

}  // namespace weightscope
