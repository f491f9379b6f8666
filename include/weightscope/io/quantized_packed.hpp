#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/quantized_decoders.hpp>
#include <weightscope/io/quantized_parts.hpp>
#include <weightscope/io/value_reading.hpp>

namespace weightscope::detail {

inline std::string group_words(std::size_t group_size, std::size_t in)
{
    return group_size >= in ? "per channel" : fmt::format("g{}", group_size);
}

// PREFIX.qweight, .qzeros, .scales and perhaps .g_idx, of GPTQ or AWQ, which the shapes tell apart. GPTQ stores a zero point less one,
// version 2 as it is: AutoGPTQ, qlinear_cuda_old.py; GPTQModel, checkpoint_format. AWQ: AutoAWQ, modules/linear/gemm.py.
inline joined_weight join_qweight(const std::string& prefix, const tensor_parts& parts, bool second_version)
{
    const named_tensor *codes = parts.find(prefix + ".qweight"), *zeros = parts.find(prefix + ".qzeros"),
                       *scales = parts.find(prefix + ".scales"), *index = parts.find(prefix + ".g_idx");
    joined_weight result{.name = prefix + ".weight", .parts = {codes, zeros, scales}};
    if (!is_matrix_tensor(codes, dtype::int32) || !is_matrix_tensor(zeros, dtype::int32) || !is_scale(scales) || scales->shape.size() != 2) {
        result.fault = "expected matrices qweight and qzeros of I32 and scales of floats";
        return result;
    }
    packed_weight w{.codes = *codes, .scales = *scales, .zeros = *zeros};
    const std::size_t rows = codes->shape[0], columns = codes->shape[1], zero_columns = zeros->shape[1];
    w.groups = scales->shape[0];
    w.out = scales->shape[1];
    result.fault = fmt::format("the shapes {} of qweight, {} of qzeros and {} of scales fit neither GPTQ nor AWQ", codes->shape,
                               zeros->shape, scales->shape);
    if (zeros->shape[0] != w.groups)
        return result;
    if (columns == w.out && zero_columns * 32 % w.out == 0) {
        w.order = word_order::gptq;
        w.bits = zero_columns * 32 / w.out;
        if ((w.bits != 2 && w.bits != 3 && w.bits != 4 && w.bits != 8) || rows * 32 % w.bits != 0)
            return result;
        w.in = rows * 32 / w.bits;
        w.zero_offset = second_version ? 0 : 1;
    } else if (columns == zero_columns && columns * 8 == w.out && index == nullptr) {
        w.order = word_order::awq;
        w.in = rows;
    } else {
        return result;
    }
    if (index != nullptr && w.order == word_order::gptq) {
        if (index->dtype != dtype::int32 || index->shape != std::vector{w.in} || index->decoder) {
            result.fault = fmt::format("g_idx has shape {}, expected [{}] of I32", index->shape, w.in);
            return result;
        }
        w.group_index = *index;
        result.parts.push_back(index);
    } else if (w.in % w.groups != 0) {
        return result;
    }
    w.group_size = (w.in + w.groups - 1) / w.groups;
    result.fault.clear();
    result.shape = {w.out, w.in};
    result.encoding = fmt::format("{} {}-bit {}", w.order == word_order::awq ? "AWQ" : "GPTQ", w.bits, group_words(w.group_size, w.in));
    result.decoder = std::make_shared<const packed_weight_decoder>(std::move(w));
    return result;
}

// PREFIX.weight_packed, .weight_scale, .weight_shape and perhaps .weight_zero_point and .weight_g_idx:
// compressed-tensors, compressors/pack_quantized.
inline joined_weight join_weight_packed(const std::string& prefix, const tensor_parts& parts)
{
    const named_tensor *codes = parts.find(prefix + ".weight_packed"), *scales = parts.find(prefix + ".weight_scale"),
                       *shape = parts.find(prefix + ".weight_shape"), *zeros = parts.find(prefix + ".weight_zero_point"),
                       *index = parts.find(prefix + ".weight_g_idx");
    joined_weight result{.name = prefix + ".weight", .parts = {codes, scales, shape}};
    if (!is_matrix_tensor(codes, dtype::int32) || !is_scale(scales) || shape == nullptr || shape->size() != 2
        || (shape->dtype != dtype::int64 && shape->dtype != dtype::int32)) {
        result.fault = "expected a matrix weight_packed of I32, weight_scale of floats and weight_shape of two whole numbers";
        return result;
    }
    const double rows = value_at(*shape, 0), columns = value_at(*shape, 1);
    packed_weight w{.order = word_order::by_rows, .bits = 0, .codes = *codes, .scales = *scales};
    result.fault = fmt::format("the shapes {} of weight_packed and {} of weight_scale do not fit weight_shape, [{}, {}]", codes->shape,
                               scales->shape, rows, columns);
    if (rows != static_cast<double>(codes->shape[0]) || columns < 1 || columns > 16.0 * static_cast<double>(codes->shape[1]))
        return result;
    w.out = codes->shape[0];
    w.in = static_cast<std::size_t>(columns);
    for (const std::size_t bits : {std::size_t{2}, std::size_t{4}, std::size_t{8}})
        if ((w.in + 32 / bits - 1) / (32 / bits) == codes->shape[1])
            w.bits = std::max(w.bits, bits);
    if (w.bits == 0 || scales->size() % w.out != 0)
        return result;
    w.groups = scales->size() / w.out;
    w.group_size = (w.in + w.groups - 1) / w.groups;
    if (w.groups > w.in || (index == nullptr && (w.in + w.group_size - 1) / w.group_size != w.groups))
        return result;
    if (zeros != nullptr) {
        const bool plain = zeros->dtype == dtype::int8 && zeros->size() == scales->size();
        const std::size_t per_word = 32 / w.bits;
        const bool packed =
            is_matrix_tensor(zeros, dtype::int32) && zeros->shape == std::vector{(w.out + per_word - 1) / per_word, w.groups};
        if ((!plain && !packed) || zeros->decoder) {
            result.fault = fmt::format("weight_zero_point has shape {} of {}, which does not fit", zeros->shape, zeros->storage());
            return result;
        }
        w.zeros = *zeros;
        result.parts.push_back(zeros);
    }
    if (index != nullptr) {
        if (index->shape != std::vector{w.in} || index->dtype != dtype::int32 || index->decoder) {
            result.fault = fmt::format("weight_g_idx has shape {}, expected [{}] of I32", index->shape, w.in);
            return result;
        }
        if (value_at(*index, 0) >= 0)  // -1: not in use
            w.group_index = *index;
        result.parts.push_back(index);
    }
    result.fault.clear();
    result.shape = {w.out, w.in};
    result.encoding = fmt::format("compressed-tensors {}-bit {}", w.bits, group_words(w.group_size, w.in));
    result.decoder = std::make_shared<const packed_weight_decoder>(std::move(w));
    return result;
}

}  // namespace weightscope::detail
