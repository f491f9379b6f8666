#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_view.hpp>
#include <weightscope/io/value_reading.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE torch_view_decoder::torch_view_decoder(torch_storage storage, std::uint64_t first, std::size_t element_bytes,
                                                          std::vector<std::size_t> shape, std::vector<std::uint64_t> strides)
    : storage_(std::move(storage)), first_(first), element_bytes_(element_bytes), shape_(std::move(shape)), strides_(std::move(strides))
{
    if (shape_.empty()) {
        shape_ = {1};
        strides_ = {0};
    }
}

WEIGHTSCOPE_INLINE void torch_view_decoder::decode(std::size_t first, std::span<std::byte> out) const
{
    if (!storage_.deflated)
        return copy_elements(storage_.bytes.data() + first_, first, out);
    storage_.deflated->read(storage_.entry, out.size(),
                            [&](std::span<const std::byte> content) { copy_elements(content.data() + first_, first, out); });
}

WEIGHTSCOPE_INLINE void torch_view_decoder::copy_elements(const std::byte* base, std::size_t first, std::span<std::byte> out) const
{
    std::size_t rest = out.size() / element_bytes_;
    const std::size_t rank = shape_.size();
    std::vector<std::size_t> index(rank);
    for (std::size_t d = rank, number = first; d-- > 0; number /= shape_[d])
        index[d] = number % shape_[d];
    for (std::byte* to = out.data(); rest > 0;) {
        std::uint64_t at = 0;
        for (std::size_t d = 0; d < rank; ++d)
            at += index[d] * strides_[d];
        const std::size_t run = std::min(rest, shape_[rank - 1] - index[rank - 1]);
        copy(base + at, run, to);
        to += run * element_bytes_;
        rest -= run;
        index[rank - 1] += run;
        for (std::size_t d = rank - 1; d > 0 && index[d] == shape_[d]; --d) {
            index[d] = 0;
            ++index[d - 1];
        }
    }
}

WEIGHTSCOPE_INLINE void torch_view_decoder::copy(const std::byte* from, std::size_t count, std::byte* to) const
{
    const std::size_t stride = strides_.back();
    switch (element_bytes_) {
    case 1: return copy_strided<1>(from, stride, count, to, false);
    case 2: return copy_strided<2>(from, stride, count, to, storage_.big_endian);
    case 4: return copy_strided<4>(from, stride, count, to, storage_.big_endian);
    default: return copy_strided<8>(from, stride, count, to, storage_.big_endian);
    }
}

WEIGHTSCOPE_INLINE torch_quantized_decoder::torch_quantized_decoder(named_tensor codes, double scale, std::int64_t zero_point)
    : codes_(std::move(codes)), scale_(scale), zero_point_(static_cast<double>(zero_point)), run_(codes_.size())
{
}

WEIGHTSCOPE_INLINE torch_quantized_decoder::torch_quantized_decoder(named_tensor codes, named_tensor scales, named_tensor zero_points,
                                                                    std::size_t axis)
    : codes_(std::move(codes)), scales_(std::move(scales)), zero_points_(std::move(zero_points)), run_(1)
{
    for (std::size_t d = axis + 1; d < codes_.shape.size(); ++d)
        run_ *= codes_.shape[d];
}

WEIGHTSCOPE_INLINE void torch_quantized_decoder::decode(std::size_t first, std::span<std::byte> out) const
{
    const std::size_t count = out.size() / sizeof(float);
    std::vector<std::byte> codes(count * (bits_of(codes_.dtype) / 8));
    copy_values(codes_, first, codes);
    for (std::size_t i = 0; i < count;) {
        const std::size_t end = std::min(count, i + run_ - (first + i) % run_);
        double scale = scale_, zero_point = zero_point_;
        if (scales_) {
            const std::size_t channel = (first + i) / run_ % scales_->size();
            scale = value_at(*scales_, channel);
            zero_point = value_at(*zero_points_, channel);
        }
        for (; i < end; ++i) {
            const float value = static_cast<float>(code(codes, i) - zero_point) * static_cast<float>(scale);
            std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
        }
    }
}

WEIGHTSCOPE_INLINE double torch_quantized_decoder::code(const std::vector<std::byte>& codes, std::size_t i) const
{
    if (codes_.dtype == dtype::int32) {
        std::int32_t value = 0;
        std::memcpy(&value, codes.data() + i * sizeof value, sizeof value);
        return value;
    }
    const auto value = static_cast<std::uint8_t>(codes[i]);
    return codes_.dtype == dtype::int8 ? static_cast<std::int8_t>(value) : value;
}

}  // namespace weightscope::detail
