#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/onnx_type.hpp>
#include <weightscope/io/onnx_values.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope::detail {

// Scales or zero points: elements that are read one by one. Those that are numbers of a repeated field are kept in memory, where they
// take at most eight times as much as in the file.
class onnx_elements
{
public:
    onnx_elements(const onnx_storage& storage, std::size_t count) : type_(storage.type), plain_(storage.plain)
    {
        if (!storage.repeated)
            return;
        auto copy = std::make_shared<std::vector<std::byte>>((count * type_->bits + 7) / 8);
        storage.read(0, *copy);
        plain_ = *copy;
        owned_ = std::move(copy);
    }

    double operator[](std::size_t i) const { return onnx_element(*type_, plain_, i); }

private:
    const onnx_type* type_;
    std::span<const std::byte> plain_;
    std::shared_ptr<const std::vector<std::byte>> owned_ = {};
};

// Which scale an element of a tensor has: one for all, one per index of an axis, or one per block of indices of an axis.
struct onnx_granularity
{
    std::size_t inner = 1;           // elements from one index of the axis to the next
    std::size_t extent = 1;          // of the axis
    std::size_t block = 0;           // indices that share a scale; 0 means all indices do
    bool repeats_outside = true;     // the axes outside of the axis share the scales
    bool differs_inside = false;     // the axes inside of it have scales of their own
    std::string words = {};          // ", axis 0"; empty for one scale
    std::size_t scale_count = 1;

    // One scale per index of an axis.
    static onnx_granularity per_axis(const std::vector<std::size_t>& shape, std::size_t axis)
    {
        return {.inner = inner_of(shape, axis),
                .extent = shape[axis],
                .block = 1,
                .words = fmt::format(", axis {}", axis),
                .scale_count = shape[axis]};
    }

    // Scales of the tensor's rank, one per block of indices of an axis.
    static onnx_granularity blocked(const std::vector<std::size_t>& shape, std::size_t axis, std::size_t block)
    {
        std::size_t outer = 1;
        for (std::size_t d = 0; d < axis; ++d)
            outer *= shape[d];
        const std::size_t blocks = (shape[axis] + block - 1) / block, inner = inner_of(shape, axis);
        return {.inner = inner,
                .extent = shape[axis],
                .block = block,
                .repeats_outside = false,
                .differs_inside = true,
                .words = fmt::format(", blocks of {} on axis {}", block, axis),
                .scale_count = outer * blocks * inner};
    }

    std::size_t scale_of(std::size_t element) const
    {
        if (block == 0)
            return 0;
        const std::size_t index = element / inner % extent / block, blocks = (extent + block - 1) / block;
        const std::size_t outer = repeats_outside ? 0 : element / inner / extent;
        return differs_inside ? (outer * blocks + index) * inner + element % inner : outer * blocks + index;
    }

    // Elements from this one on that have the same scale.
    std::size_t run(std::size_t element) const
    {
        if (block == 0)
            return std::size_t(-1);
        if (differs_inside && inner > 1)
            return 1;
        const std::size_t index = element / inner % extent, end = std::min(extent, (index / block + 1) * block);
        return (end - index) * inner - element % inner;
    }

private:
    static std::size_t inner_of(const std::vector<std::size_t>& shape, std::size_t axis)
    {
        std::size_t inner = 1;
        for (std::size_t d = axis + 1; d < shape.size(); ++d)
            inner *= shape[d];
        return inner;
    }
};

// Codes, scales and zero points, and how the codes lie.
struct onnx_quantized
{
    onnx_storage codes = {};
    onnx_type code_type = {};             // may be narrower than what the codes are stored as
    std::size_t row = 0, stored_row = 0;  // if not 0: codes in a row, and those that the storage has room for in one
    onnx_granularity granularity = {};
    std::optional<onnx_elements> scales = {}, zero_points = {};
    std::size_t zero_point_row = 0, stored_zero_point_row = 0;  // the same of the zero points
    double zero_point = 0;                                      // of all, where there are no zero_points
    dtype values = dtype::float32;
};

// The weights that quantized codes stand for: (code - zero point) * scale, computed as DequantizeLinear does, with one rounding to
// float32 after each step and one to the type of the values.
class onnx_dequantized : public value_decoder
{
public:
    onnx_dequantized(onnx_quantized q, std::vector<std::shared_ptr<const mapped_file>> files) : q_(std::move(q)), files_(std::move(files)) {}

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        with_scalar(q_.values, [&]<class T>(std::type_identity<T>) {
            const std::size_t count = out.size() / sizeof(T);
            std::array<float, part> values;
            for (std::size_t done = 0; done < count; done += part) {
                const std::span<float> some(values.data(), std::min(part, count - done));
                dequantize(first + done, some);
                for (std::size_t i = 0; i < some.size(); ++i) {
                    const auto value = static_cast<T>(some[i]);
                    std::memcpy(out.data() + (done + i) * sizeof(T), &value, sizeof(T));
                }
            }
        });
    }

private:
    static constexpr std::size_t part = 1024;

    void dequantize(std::size_t first, std::span<float> out) const
    {
        const std::size_t bits = q_.code_type.bits;
        std::array<std::byte, 8 * part + 8> buffer;
        for (std::size_t i = 0; i < out.size();) {
            const std::size_t element = first + i;
            std::size_t count = out.size() - i, stored = element;  // codes that stand side by side, from `stored` on
            if (q_.row != 0) {
                stored = element / q_.row * q_.stored_row + element % q_.row;
                count = std::min(count, q_.row - element % q_.row);
            }
            const std::size_t begin = stored * bits / 8, end = ((stored + count) * bits + 7) / 8;
            const std::span<std::byte> codes(buffer.data(), end - begin);
            q_.codes.read(begin, codes);
            dequantize(codes, stored - begin * 8 / bits, element, out.subspan(i, count));
            i += count;
        }
    }

    // `skipped` codes come before that of the first element.
    void dequantize(std::span<const std::byte> codes, std::size_t skipped, std::size_t element, std::span<float> out) const
    {
        for (std::size_t i = 0; i < out.size();) {
            const std::size_t scale = q_.granularity.scale_of(element + i);
            const std::size_t end = i + std::min(out.size() - i, q_.granularity.run(element + i));
            const double zero = q_.zero_points ? (*q_.zero_points)[zero_point_of(scale)] : q_.zero_point;
            const auto factor = static_cast<float>((*q_.scales)[scale]);
            for (; i < end; ++i)
                out[i] = static_cast<float>(onnx_element(q_.code_type, codes, skipped + i) - zero) * factor;
        }
    }

    std::size_t zero_point_of(std::size_t scale) const
    {
        return q_.zero_point_row == 0 ? scale : scale / q_.zero_point_row * q_.stored_zero_point_row + scale % q_.zero_point_row;
    }

    onnx_quantized q_;
    std::vector<std::shared_ptr<const mapped_file>> files_;
};

}  // namespace weightscope::detail
