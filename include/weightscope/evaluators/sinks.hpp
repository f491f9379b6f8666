#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

namespace weightscope {

/// Takes the pieces of a vector as long as the model, such as a gradient: nobody need hold all of it.
///
///     sink(tensor, element_offset, std::span<const float>(...))
///
/// Pieces may come in any order, an element may come more than once (the parts are added up), and elements that never come are 0.
class gradient_sink
{
public:
    using function = std::function<void(std::size_t tensor, std::size_t element_offset, std::span<const double> values)>;

    explicit gradient_sink(function receive) : receive_(std::move(receive)) {}

    void operator()(std::size_t tensor, std::size_t element_offset, std::span<const double> values) const
    {
        receive_(tensor, element_offset, values);
    }
    void operator()(std::size_t tensor, std::size_t element_offset, std::span<const float> values) const
    {
        single_precision_ = true;
        std::array<double, 512> wide;
        for (std::size_t begin = 0; begin < values.size(); begin += wide.size()) {
            const std::size_t count = std::min(wide.size(), values.size() - begin);
            std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(begin), count, wide.begin());
            receive_(tensor, element_offset + begin, std::span<const double>(wide).first(count));
        }
    }

    /// Whether a piece came as floats: then its last digits are those of a float.
    [[nodiscard]] bool single_precision() const noexcept { return single_precision_; }

private:
    function receive_;
    mutable bool single_precision_ = false;
};

/// A vector as long as the model, made piece by piece where it is needed: direction(tensor, element_offset, values) fills `values`.
class weight_direction
{
public:
    using function = std::function<void(std::size_t tensor, std::size_t element_offset, std::span<double> values)>;

    explicit weight_direction(function fill) : fill_(std::move(fill)) {}

    void operator()(std::size_t tensor, std::size_t element_offset, std::span<double> values) const
    {
        fill_(tensor, element_offset, values);
    }
    void operator()(std::size_t tensor, std::size_t element_offset, std::span<float> values) const
    {
        std::array<double, 512> wide;
        for (std::size_t begin = 0; begin < values.size(); begin += wide.size()) {
            const std::size_t count = std::min(wide.size(), values.size() - begin);
            fill_(tensor, element_offset + begin, std::span<double>(wide).first(count));
            for (std::size_t i = 0; i < count; ++i)
                values[begin + i] = static_cast<float>(wide[i]);
        }
    }

private:
    function fill_;
};

/// Rows that enter a linear layer: one per token or pixel, one column per input feature.
struct activation_view
{
    const float* data = nullptr;                  ///< [rows, cols] row-major; valid during the call only
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::span<const std::uint8_t> row_mask = {};  ///< [rows] 0 for a row that does not count, such as padding; empty: all count
};

/// Looks at the inputs of linear layers while a batch runs. `tensor` is the index of the layer's weight.
class activation_tap
{
public:
    using filter = std::function<bool(std::size_t tensor)>;
    using function = std::function<void(std::size_t tensor, const activation_view& inputs)>;

    /// @param wants    tells whether a layer's inputs are asked for
    /// @param receive  called with them, for one batch in one or more pieces
    activation_tap(filter wants, function receive) : wants_(std::move(wants)), receive_(std::move(receive)) {}

    [[nodiscard]] bool wants(std::size_t tensor) const { return wants_(tensor); }
    void operator()(std::size_t tensor, const activation_view& inputs) const { receive_(tensor, inputs); }

private:
    filter wants_;
    function receive_;
};

}  // namespace weightscope
