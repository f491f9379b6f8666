#pragma once

#include <algorithm>
#include <span>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void require_group(const any_evaluator& evaluator, const weight_group& group, const char* caller)
{
    require(!group.slices.empty(), "{}: group '{}' has no weights, expected some", caller, printable(group.name));
    for (const weight_slice& slice : group.slices) {
        require(slice.tensor < evaluator.weights().size(), "{}: group '{}' names tensor {}, expected below {}", caller, printable(group.name),
                slice.tensor, evaluator.weights().size());
        const weight_info& info = evaluator.weights()[slice.tensor];
        require(is_differentiable(info.dtype), "{}: tensor '{}' is {}, expected floating point", caller, printable(info.name),
                to_string(info.dtype));
        require(slice.count > 0 && slice.stride > 0 && slice.first < info.size() && (slice.count - 1) <= (info.size() - 1 - slice.first) / slice.stride,
                "{}: group '{}' takes {} elements from {} on by {} of tensor '{}', which has {}", caller, printable(group.name), slice.count,
                slice.first, slice.stride, printable(info.name), info.size());
    }
}

WEIGHTSCOPE_INLINE double largest_group_bytes(const any_evaluator& evaluator, std::span<const weight_group> groups, const char* caller)
{
    double largest = 0;
    for (const weight_group& group : groups) {
        require_group(evaluator, group, caller);
        double bytes = 0;
        for (const weight_slice& slice : group.slices)
            bytes += static_cast<double>((slice.count - 1) * slice.stride + 1) * static_cast<double>(bits_of(evaluator.weights()[slice.tensor].dtype) / 8);
        largest = std::max(largest, bytes);
    }
    return largest;
}

}  // namespace weightscope::detail
