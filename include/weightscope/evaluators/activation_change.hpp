#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include <weightscope/evaluators/evaluator.hpp>

namespace weightscope {

/// Replaces the inputs of linear layers while a batch runs: what rounds them shows what quantized activations cost. `tensor` is the
/// index of the layer's weight.
///
///     const activation_change coarse([](std::size_t, std::span<float> values, std::size_t) { for (float& x : values) x = std::nearbyint(x); });
class activation_change
{
public:
    using filter = std::function<bool(std::size_t tensor)>;
    using function = std::function<void(std::size_t tensor, std::span<float> inputs, std::size_t cols)>;

    /// Nothing is changed.
    activation_change() = default;

    /// @param change  called with copies of the inputs of a layer, row-major, of all its rows; may be called from several threads at
    ///                once where replicas run
    /// @param wants   tells which layers are changed; empty: all
    explicit activation_change(function change, filter wants = {}) : change_(std::move(change)), wants_(std::move(wants)) {}

    /// Whether there is a change at all.
    [[nodiscard]] bool exists() const { return static_cast<bool>(change_); }
    [[nodiscard]] bool wants(std::size_t tensor) const { return change_ && (!wants_ || wants_(tensor)); }
    void operator()(std::size_t tensor, std::span<float> inputs, std::size_t cols) const { change_(tensor, inputs, cols); }

private:
    function change_ = {};
    filter wants_ = {};
};

/// Lets the inputs of linear layers be replaced: change_activations(activation_change) counts until the next one, {} ends it.
template <class E>
concept activation_changing_evaluator = forward_evaluator<E>
                                     && requires(std::remove_cvref_t<E>& e, const activation_change& change) { e.change_activations(change); };

/// A change of activations that ends with its scope.
class activation_patch
{
public:
    /// @param evaluator  activation_changing_evaluator whose activations are not changed yet; must outlive the patch
    template <activation_changing_evaluator E>
    activation_patch(E& evaluator, const activation_change& change)
        : object_(&evaluator), set_([](void* object, const activation_change& c) { static_cast<E*>(object)->change_activations(c); })
    {
        set_(object_, change);
    }
    activation_patch(const activation_patch&) = delete;
    activation_patch& operator=(const activation_patch&) = delete;
    ~activation_patch() { set_(object_, {}); }

private:
    void* object_;
    void (*set_)(void*, const activation_change&);
};

}  // namespace weightscope
