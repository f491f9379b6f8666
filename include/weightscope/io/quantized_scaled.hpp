#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/quantized_decoders.hpp>
#include <weightscope/io/quantized_parts.hpp>

namespace weightscope::detail {

// PREFIX.weight of 8 bits with .weight_scale or .weight_scale_inv, both of which multiply: one number, one for each row, or one for
// each block of 128 by 128 (DeepSeek-V3, inference/kernel.py) or of what the shapes say; or with .SCB, one for each row, over 127
// (bitsandbytes, LLM.int8()).
inline joined_weight join_scaled(const std::string& prefix, const tensor_parts& parts, std::string_view scale_name)
{
    const named_tensor *codes = parts.find(prefix + ".weight"), *scales = parts.find(fmt::format("{}.{}", prefix, scale_name)),
                       *zeros = parts.find(prefix + ".weight_zero_point");
    joined_weight result{.name = prefix + ".weight", .parts = {codes, scales}};
    if (codes == nullptr || bits_of(codes->dtype) != 8 || !is_numeric(codes->dtype) || codes->dtype == dtype::uint8 || codes->decoder) {
        result.fault = "expected a weight of I8 or F8 beside it";
        return result;
    }
    if (codes->shape.size() != 2 || codes->size() == 0 || !is_scale(scales)) {
        result.fault = fmt::format("the weight has shape {} and the scale {} of {}, expected matrices", codes->shape, scales->shape,
                                   scales->storage());
        return result;
    }
    scaled_weight w{.codes = *codes, .scales = *scales};
    const std::size_t rows = codes->shape[0], columns = codes->shape[1], count = scales->size();
    std::string granularity;
    if (count == 1) {
        w.rows_per_block = rows;
        w.columns_per_block = columns;
        granularity = "per tensor";
    } else if (count == rows && scales->shape[0] == rows) {
        w.columns_per_block = columns;
        granularity = "per channel";
    } else if (scales->shape.size() == 2 && scales->shape[0] <= rows && scales->shape[1] <= columns) {
        const auto block_of = [](std::size_t extent, std::size_t blocks) {
            return (extent + 127) / 128 == blocks ? std::size_t{128} : (extent + blocks - 1) / blocks;
        };
        w.rows_per_block = block_of(rows, scales->shape[0]);
        w.columns_per_block = block_of(columns, scales->shape[1]);
        w.blocks_per_row = scales->shape[1];
        granularity = fmt::format("blocks of {} x {}", w.rows_per_block, w.columns_per_block);
    }
    if (granularity.empty() || (rows + w.rows_per_block - 1) / w.rows_per_block * w.blocks_per_row != count
        || (columns + w.columns_per_block - 1) / w.columns_per_block != w.blocks_per_row) {
        result.fault = fmt::format("{} of shape {} does not fit a weight of shape {}", scale_name, scales->shape, codes->shape);
        return result;
    }
    if (zeros != nullptr && is_numeric(zeros->dtype) && zeros->size() == count) {
        w.zeros = *zeros;
        result.parts.push_back(zeros);
    }
    if (scale_name == "SCB")
        w.divisor = 127;
    result.shape = codes->shape;
    result.encoding = fmt::format("{}{} {}", scale_name == "SCB" ? "bitsandbytes " : "", to_string(codes->dtype), granularity);
    result.decoder = std::make_shared<const scaled_weight_decoder>(std::move(w));
    return result;
}

// PREFIX.weight with .absmax, .quant_map, .quant_state.bitsandbytes__TYPE, a JSON text, and perhaps .nested_absmax and
// .nested_quant_map: bitsandbytes, functional.py, QuantState.
inline joined_weight join_bitsandbytes(const std::string& weight, const tensor_parts& parts, const named_tensor& state)
{
    const named_tensor *codes = parts.find(weight), *scales = parts.find(weight + ".absmax"), *table = parts.find(weight + ".quant_map"),
                       *nested_scales = parts.find(weight + ".nested_absmax"), *nested_table = parts.find(weight + ".nested_quant_map");
    joined_weight result{.name = weight, .parts = {codes, scales, table, &state}};
    result.fault = "its parts do not fit together";
    constexpr std::size_t longest_state = 65536;
    if (codes == nullptr || codes->dtype != dtype::uint8 || codes->decoder || scales == nullptr || !is_scale(table) || table->size() != 16
        || state.dtype != dtype::uint8 || state.decoder || state.bytes.size() > longest_state)
        return result;
    const std::string text(reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size());
    const nlohmann::json about = nlohmann::json::parse(text, nullptr, false);
    const auto whole = [&](const char* key, std::size_t otherwise) {
        const bool known = about.is_object() && about.contains(key) && about[key].is_number_unsigned();
        return known ? about[key].get<std::size_t>() : otherwise;
    };
    codebook_weight w{.codes = *codes, .table = *table, .scales = *scales};
    w.block_size = whole("blocksize", 64);
    w.nested_block_size = whole("nested_blocksize", 256);
    if (!about.is_object() || !about.contains("shape") || !about["shape"].is_array() || about["shape"].size() > 8 || w.block_size == 0
        || w.nested_block_size == 0)
        return result;
    std::size_t count = 1;
    for (const nlohmann::json& extent : about["shape"]) {
        const std::size_t value = extent.is_number_unsigned() ? extent.get<std::size_t>() : 0;
        if (value == 0 || value > 2 * codes->bytes.size() / count)
            return result;
        count *= value;
        result.shape.push_back(value);
    }
    const std::size_t blocks = (count + w.block_size - 1) / w.block_size;
    if ((count + 1) / 2 != codes->bytes.size() || scales->size() != blocks)
        return result;
    if (nested_scales != nullptr && nested_table != nullptr) {
        if (scales->dtype != dtype::uint8 || !is_scale(nested_scales) || !is_scale(nested_table) || nested_table->size() != 256
            || nested_scales->size() != (blocks + w.nested_block_size - 1) / w.nested_block_size)
            return result;
        w.nested_scales = *nested_scales;
        w.nested_table = *nested_table;
        w.nested_offset = about.contains("nested_offset") && about["nested_offset"].is_number() ? about["nested_offset"].get<double>() : 0;
        result.parts.push_back(nested_scales);
        result.parts.push_back(nested_table);
    } else if (!is_scale(scales)) {
        return result;
    }
    result.fault.clear();
    result.encoding = fmt::format("bitsandbytes {} b{}{}", state.name.substr(state.name.rfind('_') + 1), w.block_size,
                                  w.nested_table ? " nested" : "");
    result.decoder = std::make_shared<const codebook_weight_decoder>(std::move(w));
    return result;
}

}  // namespace weightscope::detail
