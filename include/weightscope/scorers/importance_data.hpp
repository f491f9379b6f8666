#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/importance.hpp>

namespace weightscope {

/// What is known of the tensors of a model besides their weights, by name: from files, from an evaluator, or from both.
///
///     const importance_result scores = score_weights(w, data.of("layers.0.weight"), {.method = importance_method::wanda});
///
/// What lies in files is read when it is asked for, so that one tensor's is in memory at a time.
class importance_data
{
public:
    /// Fills in a part of what is known of a tensor.
    using part = std::function<void(importance_info& info)>;

    /// Adds a part for a tensor; later parts win over earlier ones.
    void add(std::string name, part fill) { parts_[std::move(name)].push_back(std::move(fill)); }
    /// Adds everything that `other` knows.
    void add(const importance_data& other);

    /// What is known of a tensor; nothing where the name is not known.
    /// @throws io_error  a file changed since it was opened
    [[nodiscard]] importance_info of(std::string_view name) const;

    [[nodiscard]] bool knows(std::string_view name) const { return parts_.find(name) != parts_.end(); }
    /// Of all tensors that something is known of, in alphabetical order.
    [[nodiscard]] std::vector<std::string> names() const;

private:
    std::map<std::string, std::vector<part>, std::less<>> parts_;
};

namespace detail {

// An origin that several parts have a share in: the numbers of the larger one, all sources.
WEIGHTSCOPE_INLINE void merge_origin(importance_origin& into, const importance_origin& from);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/importance_data.hpp>
#endif
