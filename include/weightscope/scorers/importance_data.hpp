#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
    void add(const importance_data& other)
    {
        for (const auto& [name, fills] : other.parts_)
            for (const part& fill : fills)
                add(name, fill);
    }

    /// What is known of a tensor; nothing where the name is not known.
    /// @throws io_error  a file changed since it was opened
    [[nodiscard]] importance_info of(std::string_view name) const
    {
        importance_info info;
        if (const auto found = parts_.find(name); found != parts_.end())
            for (const part& fill : found->second)
                fill(info);
        return info;
    }

    [[nodiscard]] bool knows(std::string_view name) const { return parts_.find(name) != parts_.end(); }
    /// Of all tensors that something is known of, in alphabetical order.
    [[nodiscard]] std::vector<std::string> names() const
    {
        std::vector<std::string> result;
        for (const auto& entry : parts_)
            result.push_back(entry.first);
        return result;
    }

private:
    std::map<std::string, std::vector<part>, std::less<>> parts_;
};

namespace detail {

// An origin that several parts have a share in: the numbers of the larger one, all sources.
inline void merge_origin(importance_origin& into, const importance_origin& from)
{
    if (!from.source.empty() && into.source.find(from.source) == std::string::npos)
        into.source += (into.source.empty() ? "" : ", ") + from.source;
    into.batches = into.batches > from.batches ? into.batches : from.batches;
    into.samples = into.samples > from.samples ? into.samples : from.samples;
    if (from.seed != 0)
        into.seed = from.seed;
    if (!from.fingerprint.empty())
        into.fingerprint = from.fingerprint;
}

}  // namespace detail

}  // namespace weightscope
