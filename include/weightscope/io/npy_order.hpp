#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/io/dtype.hpp>
#include <weightscope/io/npy_header.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope::detail {

// How the elements of a NumPy array lie in its bytes.
class npy_order
{
public:
    explicit npy_order(const npy_header& header)
        : type_(header.dtype),
          shape_(header.shape),
          swapped_(header.big_endian && bits_of(header.dtype) > 8),
          column_major_(header.column_major && header.shape.size() > 1)
    {
    }

    // Row-major and little-endian, as we want them.
    bool plain() const { return !swapped_ && !column_major_; }

    // "F32 big-endian, column-major"
    std::string words() const
    {
        return std::string(to_string(type_)) + (swapped_ ? " big-endian" : "") + (swapped_ && column_major_ ? "," : "")
             + (column_major_ ? " column-major" : "");
    }

    // The elements from number `first` in row-major order on, as many as fit into `out`.
    void copy(std::span<const std::byte> array, std::size_t first, std::span<std::byte> out) const
    {
        if (out.empty())
            return;  // an array without elements may have extents of 0, by which nothing can be divided
        const std::size_t size = bits_of(type_) / 8, count = out.size() / size;
        if (column_major_)
            gather(array, first, out);
        else
            std::copy_n(array.begin() + static_cast<std::ptrdiff_t>(first * size), out.size(), out.begin());
        if (!swapped_)
            return;
        const std::size_t part = type_ == dtype::complex64 ? size / 2 : size;  // numbers turn, pairs of them do not
        for (std::size_t p = 0; p < count * size; p += part)
            std::reverse(out.data() + p, out.data() + p + part);
    }

private:
    void gather(std::span<const std::byte> array, std::size_t first, std::span<std::byte> out) const
    {
        const std::size_t size = bits_of(type_) / 8, rank = shape_.size(), count = out.size() / size;
        std::vector<std::size_t> strides(rank, 1), index(rank, 0);
        for (std::size_t d = 1; d < rank; ++d)
            strides[d] = strides[d - 1] * shape_[d - 1];
        std::size_t at = 0;
        for (std::size_t d = rank; d-- > 0;) {
            index[d] = first % shape_[d];
            first /= shape_[d];
            at += index[d] * strides[d];
        }
        for (std::size_t i = 0; i < count; ++i) {
            std::copy_n(array.data() + at * size, size, out.data() + i * size);
            for (std::size_t d = rank; d-- > 0;) {
                at += strides[d];
                if (++index[d] < shape_[d])
                    break;
                at -= strides[d] * shape_[d];
                index[d] = 0;
            }
        }
    }

    weightscope::dtype type_;
    std::vector<std::size_t> shape_;
    bool swapped_, column_major_;
};

// The values of an array that lies in a file in another order.
class reordered_values : public value_decoder
{
public:
    reordered_values(npy_order order, std::span<const std::byte> array) : order_(std::move(order)), array_(array) {}

    void decode(std::size_t first, std::span<std::byte> out) const override { order_.copy(array_, first, out); }
    bool determined_by_bytes() const override { return true; }

private:
    npy_order order_;
    std::span<const std::byte> array_;
};

}  // namespace weightscope::detail
