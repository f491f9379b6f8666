#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/value_decoder.hpp>
#include <weightscope/io/value_reading.hpp>
#include <weightscope/io/zip_cache.hpp>
#include <weightscope/io/zip_directory.hpp>

namespace weightscope::detail {

// The bytes of one storage: where they lie in the file, or the deflated entry that holds them.
struct torch_storage
{
    std::span<const std::byte> bytes = {};  // as they lie in the file, deflated or not
    std::uint64_t offset = 0;               // of these in the file
    std::uint64_t size = 0;                 // of the storage
    std::shared_ptr<const mapped_file> file = {};
    std::shared_ptr<zip_cache> deflated = {};  // null: it is not
    zip_entry entry = {};                      // if deflated
    bool big_endian = false;
};

// Copies `count` elements of `Size` bytes that lie `stride` bytes apart.
template <std::size_t Size>
void copy_strided(const std::byte* from, std::size_t stride, std::size_t count, std::byte* to, bool reversed)
{
    for (std::size_t i = 0; i < count; ++i, from += stride, to += Size) {
        std::array<std::byte, Size> element;
        std::memcpy(element.data(), from, Size);
        if (reversed)
            std::reverse(element.begin(), element.end());
        std::memcpy(to, element.data(), Size);
    }
}

// Elements of a storage at any strides, of either order of bytes, deflated or not.
class torch_view_decoder : public value_decoder
{
public:
    // first: byte of the storage where element 0 lies; strides in bytes
    torch_view_decoder(torch_storage storage, std::uint64_t first, std::size_t element_bytes, std::vector<std::size_t> shape,
                       std::vector<std::uint64_t> strides)
        : storage_(std::move(storage)), first_(first), element_bytes_(element_bytes), shape_(std::move(shape)), strides_(std::move(strides))
    {
        if (shape_.empty()) {
            shape_ = {1};
            strides_ = {0};
        }
    }

    void decode(std::size_t first, std::span<std::byte> out) const override
    {
        if (!storage_.deflated)
            return copy_elements(storage_.bytes.data() + first_, first, out);
        storage_.deflated->read(storage_.entry, out.size(),
                                [&](std::span<const std::byte> content) { copy_elements(content.data() + first_, first, out); });
    }

private:
    void copy_elements(const std::byte* base, std::size_t first, std::span<std::byte> out) const
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

    void copy(const std::byte* from, std::size_t count, std::byte* to) const
    {
        const std::size_t stride = strides_.back();
        switch (element_bytes_) {
        case 1: return copy_strided<1>(from, stride, count, to, false);
        case 2: return copy_strided<2>(from, stride, count, to, storage_.big_endian);
        case 4: return copy_strided<4>(from, stride, count, to, storage_.big_endian);
        default: return copy_strided<8>(from, stride, count, to, storage_.big_endian);
        }
    }

    torch_storage storage_;
    std::uint64_t first_;
    std::size_t element_bytes_;
    std::vector<std::size_t> shape_;
    std::vector<std::uint64_t> strides_;
};

// What quantized codes stand for: (code - zero_point) * scale in float, as PyTorch defines dequantize().
class torch_quantized_decoder : public value_decoder
{
public:
    // scales and zero_points: empty, or one for each index along `axis`
    torch_quantized_decoder(named_tensor codes, double scale, std::int64_t zero_point)
        : codes_(std::move(codes)), scale_(scale), zero_point_(static_cast<double>(zero_point)), run_(codes_.size())
    {
    }
    torch_quantized_decoder(named_tensor codes, named_tensor scales, named_tensor zero_points, std::size_t axis)
        : codes_(std::move(codes)), scales_(std::move(scales)), zero_points_(std::move(zero_points)), run_(1)
    {
        for (std::size_t d = axis + 1; d < codes_.shape.size(); ++d)
            run_ *= codes_.shape[d];
    }

    void decode(std::size_t first, std::span<std::byte> out) const override
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

private:
    double code(const std::vector<std::byte>& codes, std::size_t i) const
    {
        if (codes_.dtype == dtype::int32) {
            std::int32_t value = 0;
            std::memcpy(&value, codes.data() + i * sizeof value, sizeof value);
            return value;
        }
        const auto value = static_cast<std::uint8_t>(codes[i]);
        return codes_.dtype == dtype::int8 ? static_cast<std::int8_t>(value) : value;
    }

    named_tensor codes_;
    double scale_ = 0, zero_point_ = 0;
    std::optional<named_tensor> scales_, zero_points_;
    std::size_t run_;  // elements in a row that share scale and zero point
};

}  // namespace weightscope::detail
