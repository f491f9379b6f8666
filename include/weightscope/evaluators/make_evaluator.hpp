#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/dtype.hpp>

namespace weightscope {

namespace detail {

template <class Tensor>
concept tensor_container = tensor<Tensor> && requires(Tensor& t) {
    { t.data() } -> std::same_as<typename Tensor::value_type*>;
    requires Tensor::static_layout == xt::layout_type::row_major;
};

template <class Map>
concept tensor_map = std::copyable<Map> && requires(Map& map) {
    { map.begin()->first } -> std::convertible_to<std::string>;
    requires tensor_container<std::remove_cvref_t<decltype(map.begin()->second)>>;
};

template <class Loss, class Map>
concept map_loss = requires(Loss& loss, const Map& weights, std::size_t batch) { { loss(weights, batch) } -> std::convertible_to<double>; }
                || requires(Loss& loss, const Map& weights, std::size_t batch) { { loss(weights, batch) } -> std::convertible_to<loss_value>; };

template <class Result>
loss_value to_loss_value(Result&& result)
{
    if constexpr (std::convertible_to<Result, loss_value>)
        return std::forward<Result>(result);
    else
        return {static_cast<double>(result), 1};
}

}  // namespace detail

/// Tensors and a function of them as an evaluator. What make_evaluator() returns.
template <class Map, class Loss>
class map_evaluator
{
public:
    map_evaluator(Map weights, std::size_t batch_count, Loss loss)
        : tensors_(std::move(weights)), loss_(std::move(loss)), batch_count_(batch_count)
    {
        require(batch_count > 0, "make_evaluator(weights, batch_count, loss): batch_count is 0, expected 1 or more");
    }

    [[nodiscard]] std::vector<weight_info> weights() const
    {
        std::vector<weight_info> result;
        for (const auto& [name, values] : tensors_)
            result.push_back({.name = name,
                              .shape = {values.shape().begin(), values.shape().end()},
                              .dtype = dtype_of<typename std::remove_cvref_t<decltype(values)>::value_type>});
        return result;
    }
    void read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const
    {
        const auto& values = at(tensors_, tensor).second;
        check(std::as_bytes(std::span(values.data(), values.size())), tensor, byte_offset, bytes.size());
        std::memcpy(bytes.data(), reinterpret_cast<const std::byte*>(values.data()) + byte_offset, bytes.size());
    }
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes)
    {
        auto& values = at(tensors_, tensor).second;
        check(std::as_bytes(std::span(values.data(), values.size())), tensor, byte_offset, bytes.size());
        std::memcpy(reinterpret_cast<std::byte*>(values.data()) + byte_offset, bytes.data(), bytes.size());
    }
    [[nodiscard]] std::size_t batch_count() const { return batch_count_; }
    loss_value loss(std::size_t batch) { return detail::to_loss_value(std::invoke(loss_, std::as_const(tensors_), batch)); }
    [[nodiscard]] map_evaluator replicate() const { return *this; }

    [[nodiscard]] const Map& tensors() const { return tensors_; }

private:
    template <class M>
    static auto& at(M& map, std::size_t tensor)
    {
        require(tensor < map.size(), "map_evaluator: tensor is {}, expected below {}", tensor, map.size());
        return *std::next(map.begin(), static_cast<std::ptrdiff_t>(tensor));
    }
    static void check(std::span<const std::byte> bytes, std::size_t tensor, std::size_t offset, std::size_t count)
    {
        require(offset <= bytes.size() && count <= bytes.size() - offset,
                "map_evaluator: bytes {} to {} of tensor {} are asked for, which has {}", offset, offset + count, tensor, bytes.size());
    }

    Map tensors_;
    Loss loss_;
    std::size_t batch_count_;
};

/// The same with exact gradients.
template <class Map, class Loss, class Gradient>
class differentiable_map_evaluator : public map_evaluator<Map, Loss>
{
public:
    differentiable_map_evaluator(Map weights, std::size_t batch_count, Loss loss, Gradient gradient)
        : map_evaluator<Map, Loss>(std::move(weights), batch_count, std::move(loss)), gradient_(std::move(gradient))
    {
    }

    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink)
    {
        Map gradients = this->tensors();
        for (auto& [name, values] : gradients)
            std::fill(values.begin(), values.end(), typename std::remove_cvref_t<decltype(values)>::value_type{});
        const loss_value loss = detail::to_loss_value(std::invoke(gradient_, this->tensors(), batch, gradients));
        std::size_t tensor = 0;
        for (const auto& [name, values] : gradients) {
            if constexpr (std::convertible_to<decltype(values.data()), const double*> || std::convertible_to<decltype(values.data()), const float*>)
                sink(tensor, 0, std::span(values.data(), values.size()));
            else
                sink(tensor, 0, std::span<const double>(std::vector<double>(values.begin(), values.end())));
            ++tensor;
        }
        return loss;
    }
    [[nodiscard]] differentiable_map_evaluator replicate() const { return *this; }

private:
    Gradient gradient_;
};

/// An evaluator from tensors and a lambda.
///
///     std::map<std::string, xt::xtensor<float, 2>> weights = ...;
///     auto evaluator = make_evaluator(weights, 4, [&](const auto& w, std::size_t batch) { return loss_of(w, data[batch]); });
///
/// @param weights      a map of names and row-major xtensor containers; copied, see evaluator.tensors()
/// @param batch_count  1 or more
/// @param loss         callable as loss(weights, batch); returns loss_value, or a number, which counts as the sum of one item
/// @throws std::invalid_argument  batch_count is 0
/// @note   a replica for another thread copies the weights and the lambda: what the lambda refers to is then read by several threads
template <class Map, class Loss>
[[nodiscard]] auto make_evaluator(Map weights, std::size_t batch_count, Loss loss)
{
    static_assert(detail::tensor_map<Map>, "make_evaluator(weights, batch_count, loss): weights must be a map of names and row-major xtensor "
                                           "containers, such as std::map<std::string, xt::xarray<float>>");
    static_assert(detail::map_loss<Loss, Map>, "make_evaluator(weights, batch_count, loss): loss must be callable as "
                                               "loss(const Map& weights, std::size_t batch) and return a number or a weightscope::loss_value");
    return map_evaluator<Map, Loss>(std::move(weights), batch_count, std::move(loss));
}

/// The same with exact gradients.
///
/// @param gradient  callable as gradient(weights, batch, gradients): returns what `loss` returns and adds the gradient of its sum to
///                  `gradients`, a map like `weights` that comes filled with zeros
/// @note  one more copy of the weights in memory while it runs; gradients have the precision of the tensors
template <class Map, class Loss, class Gradient>
[[nodiscard]] auto make_evaluator(Map weights, std::size_t batch_count, Loss loss, Gradient gradient)
{
    static_assert(detail::tensor_map<Map>, "make_evaluator(weights, batch_count, loss, gradient): weights must be a map of names and row-major "
                                           "xtensor containers, such as std::map<std::string, xt::xarray<float>>");
    static_assert(detail::map_loss<Loss, Map>, "make_evaluator(weights, batch_count, loss, gradient): loss must be callable as "
                                               "loss(const Map& weights, std::size_t batch) and return a number or a weightscope::loss_value");
    static_assert(std::is_invocable_v<Gradient&, const Map&, std::size_t, Map&>,
                  "make_evaluator(weights, batch_count, loss, gradient): gradient must be callable as "
                  "gradient(const Map& weights, std::size_t batch, Map& gradients)");
    return differentiable_map_evaluator<Map, Loss, Gradient>(std::move(weights), batch_count, std::move(loss), std::move(gradient));
}

}  // namespace weightscope
