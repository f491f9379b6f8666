#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/io/pytorch_type.hpp>

namespace weightscope::detail {

// What a checkpoint says of one storage, in each place that refers to it.
struct torch_storage_claim
{
    std::string_view key = {};
    const torch_type* type = nullptr;
    std::uint64_t count = 0;  // elements of that type in it
    std::uint64_t first = 0;  // element of it where the storage that is meant begins
    std::uint64_t position = 0;
};

struct torch_quantizer;

// A tensor as a checkpoint describes it: some elements of a storage.
struct torch_tensor
{
    torch_storage_claim storage = {};
    const torch_type* type = nullptr;
    std::uint64_t first = 0;  // element, counted in elements of `type`
    std::vector<std::size_t> shape = {};
    std::vector<std::uint64_t> strides = {};  // in elements
    std::uint64_t reach = 0;                  // elements from the first to the last, both included; 0: the tensor is empty
    std::string_view unsupported = {};        // why its values are not what lies in the storage, or empty
    std::shared_ptr<const torch_quantizer> quantizer = {};
    std::vector<std::pair<std::string, torch_tensor>> parts = {};  // indices and values of a sparse tensor
};

// value = (code - zero_point) * scale, both one number, or one for each index along an axis
struct torch_quantizer
{
    double scale = 0;
    std::int64_t zero_point = 0;
    std::optional<std::size_t> axis = {};
    torch_tensor scales = {}, zero_points = {};
};

}  // namespace weightscope::detail
