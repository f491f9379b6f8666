#pragma once

#include <weightscope/io/model.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

// What a report says of a model; shared storage is counted once, and codes and scales as the weights that they stand for.
inline scanned_model describe(const model& m)
{
    scanned_model result{.path = m.path.string(), .format = m.format, .architecture = m.architecture, .tensors = m.tensors.size(), .lost_shards = m.lost_shards};
    for (const named_tensor& tensor : m.tensors)
        if (tensor.tied_to.empty() && tensor.part_of.empty()) {
            result.parameters += tensor.size();
            result.bytes += tensor.stored_bytes();
        }
    return result;
}

}  // namespace weightscope::detail
