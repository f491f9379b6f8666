#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weightscope {

struct name_filter_options
{
    std::vector<std::string> include = {};  ///< regular expressions; a name is taken if one of them matches a part of it, or if there are none
    std::vector<std::string> exclude = {};  ///< regular expressions; a name is left out if one of them matches a part of it
    std::vector<std::string> restrict_to = {};  ///< substrings; a name is taken if it has one of them, or if there are none
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
    explicit name_filter(const name_filter_options& options);

    [[nodiscard]] bool takes(std::string_view name) const;

private:
    struct patterns;

    std::shared_ptr<const patterns> patterns_;
    std::vector<std::string> restrict_to_;
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/name_filter.hpp>
#endif
