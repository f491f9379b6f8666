#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pickle.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/pytorch_entry.hpp>
#include <weightscope/io/pytorch_model.hpp>
#include <weightscope/io/pytorch_tensor.hpp>
#include <weightscope/io/pytorch_view.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE torch_model_builder::torch_model_builder(std::shared_ptr<const mapped_file> file, std::vector<named_tensor>& tensors)
    : file_(std::move(file)), tensors_(tensors)
{
}

WEIGHTSCOPE_INLINE void torch_model_builder::add(const std::vector<torch_entry>& entries, const pickle_source& source,
                                                 const torch_storage_lookup& lookup)
{
    source_ = &source;
    lookup_ = &lookup;
    for (const torch_entry& entry : entries)
        add(entry.name, entry.tensor);
}

WEIGHTSCOPE_INLINE void torch_model_builder::add(const std::string& name, const torch_tensor& tensor)
{
    named_tensor result = make(name, tensor);
    if (!tensor.parts.empty() || tensor.type == nullptr) {
        result.dtype = dtype::opaque;
    } else if (tensor.quantizer) {
        add_quantized(std::move(result), tensor);
        return;
    } else {
        tie(result, tensor);
    }
    const std::string whole = result.name;
    tensors_.push_back(std::move(result));
    for (const auto& [part, description] : tensor.parts) {
        tensors_.push_back(make(fmt::format("{}.{}", whole, part), description));
        tensors_.back().part_of = whole;
    }
}

WEIGHTSCOPE_INLINE std::string torch_model_builder::unique(std::string name)
{
    if (name.empty())
        name = file_->path().stem().string();
    std::string result = name;
    for (std::size_t i = names_.contains(name) ? ++repeated_[name] : 1; !names_.insert(result).second; ++i)
        result = fmt::format("{} ({})", name, i + 1);
    return result;
}

WEIGHTSCOPE_INLINE named_tensor torch_model_builder::make(const std::string& name, const torch_tensor& tensor)
{
    named_tensor result{.name = unique(name), .shape = tensor.shape, .file = file_, .encoding = std::string(tensor.unsupported)};
    if (tensor.type == nullptr || !tensor.parts.empty())
        return result;
    const torch_storage storage = (*lookup_)(tensor.storage);
    const std::uint64_t element = tensor.type->bytes;
    const std::uint64_t first = tensor.storage.first * tensor.storage.type->bytes + tensor.first * element;
    const std::uint64_t bytes = tensor.reach * element;
    if (bytes > 0 && (first > storage.size || bytes > storage.size - first))
        source_->fail(tensor.storage.position,
                     fmt::format("the tensor '{}' ends at byte {} of the storage '{}', which has {}", printable(result.name),
                                 first + bytes, printable(tensor.storage.key), storage.size));
    result.dtype = tensor.unsupported.empty() ? tensor.type->type : dtype::opaque;
    result.bytes = bytes == 0 ? std::span<const std::byte>() : storage.deflated ? storage.bytes : storage.bytes.subspan(first, bytes);
    result.offset = storage.offset + (storage.deflated ? 0 : first);
    if (result.encoding.empty() && result.dtype == dtype::opaque)
        result.encoding = tensor.type->name;
    if (bytes == 0)
        return result;

    // a view at stride 0 may claim any number of elements, and there may be any number of such views
    const std::uint64_t count = result.size(), repeated = count > tensor.reach ? count - tensor.reach : 0;
    if (repeated > most_repeated || (repeated_elements_ += repeated) > most_repeated) {
        result.encoding = fmt::format("{} repeated", to_string(result.dtype));
        result.dtype = dtype::opaque;
    }
    const bool dense = is_dense(tensor), swapped = storage.big_endian && element > 1;
    if (result.encoding.empty() && !(dense && !swapped && !storage.deflated))
        result.encoding = fmt::format("{}{}{}{}", to_string(result.dtype), dense ? "" : " strided", swapped ? " big-endian" : "",
                                      storage.deflated ? " deflated" : "");
    if (result.encoding.empty() || !is_numeric(result.dtype))
        return result;
    std::vector<std::uint64_t> strides = tensor.strides;
    for (std::uint64_t& stride : strides)
        stride *= element;
    result.decoder = std::make_shared<const torch_view_decoder>(storage, first, element, tensor.shape, std::move(strides));
    result.encoded_bytes = result.bytes.size();
    return result;
}

WEIGHTSCOPE_INLINE void torch_model_builder::add_quantized(named_tensor codes, const torch_tensor& tensor)
{
    const torch_quantizer& quantizer = *tensor.quantizer;
    named_tensor values = codes;
    values.dtype = dtype::float32;
    values.encoded_bytes = codes.stored_bytes();
    values.encoding = fmt::format("{} per tensor", tensor.type->name);
    codes.name = unique(fmt::format("{}.int_repr", values.name));
    codes.part_of = values.name;
    std::vector<named_tensor> parameters;
    if (quantizer.axis) {
        parameters = {make(fmt::format("{}.q_per_channel_scales", values.name), quantizer.scales),
                      make(fmt::format("{}.q_per_channel_zero_points", values.name), quantizer.zero_points)};
        values.encoding = fmt::format("{} per channel, axis {}", tensor.type->name, *quantizer.axis);
    }
    bool numeric = is_numeric(codes.dtype);
    for (named_tensor& parameter : parameters) {
        numeric = numeric && is_numeric(parameter.dtype);
        values.encoded_bytes += parameter.stored_bytes();
        parameter.part_of = values.name;
    }
    if (!numeric) {
        values.dtype = dtype::opaque;
        values.decoder = nullptr;
    } else if (quantizer.axis) {
        values.decoder = std::make_shared<const torch_quantized_decoder>(codes, parameters[0], parameters[1], *quantizer.axis);
    } else {
        values.decoder = std::make_shared<const torch_quantized_decoder>(codes, quantizer.scale, quantizer.zero_point);
    }
    tensors_.push_back(std::move(values));
    tensors_.push_back(std::move(codes));
    std::move(parameters.begin(), parameters.end(), std::back_inserter(tensors_));
}

WEIGHTSCOPE_INLINE bool torch_model_builder::is_dense(const torch_tensor& tensor)
{
    std::uint64_t expected = 1;
    for (std::size_t d = tensor.shape.size(); d-- > 0;) {
        if (tensor.shape[d] > 1 && tensor.strides[d] != expected)
            return false;
        expected *= tensor.shape[d];
    }
    return true;
}

WEIGHTSCOPE_INLINE void torch_model_builder::tie(named_tensor& result, const torch_tensor& tensor)
{
    if (tensor.reach == 0)
        return;
    std::vector<std::uint64_t> strides = tensor.strides;
    for (std::size_t d = 0; d < strides.size(); ++d)
        if (tensor.shape[d] == 1)
            strides[d] = 0;
    std::string place =
        fmt::format("{} {} {} {} {}", result.offset, tensor.first, tensor.type->name, tensor.shape, strides);
    const auto [earlier, is_new] = places_.emplace(std::move(place), result.name);
    if (!is_new)
        result.tied_to = earlier->second;
}

}  // namespace weightscope::detail
