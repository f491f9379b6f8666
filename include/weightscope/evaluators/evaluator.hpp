#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/io/dtype.hpp>

// An evaluator is the user's model together with the user's data: a class with some of these members. Batches are numbers from 0 to
// batch_count() - 1, tensors are numbers into weights(), and everything about a batch is a sum over it, never a mean, so that
// batches of different sizes add up.
//
//     weights() const                                     a range of weight_info
//     read(tensor, byte_offset, span<byte>) const         copies bytes of a tensor out, as they are stored
//     write(tensor, byte_offset, span<const byte>)        changes them; the next loss must see it
//     batch_count() const                                 how many batches there are
//     loss(batch)                                         loss_value; the same whenever the weights are the same
//   that is all that is needed. With more, more is exact or cheaper:
//     sample_count(batch), sample_losses(batch, span<double>)     the loss of each sample
//     loss_and_gradient(batch, sink)                              loss_value; the gradient of its sum goes into the gradient_sink
//     supports_gradient() const                                   only where this is not known before it runs; so are
//                                                                 supports_outputs() and supports_activations()
//     sample_gradient(batch, sample, sink)                        the gradient of one sample's loss
//     hessian_vector(batch, direction, sink)                      the Hessian of the sum times a weight_direction
//     observe(batch, tap)                                         the inputs of linear layers go into the activation_tap
//     change_activations(activation_change)                       replaces the inputs of linear layers, see activation_change.hpp
//     outputs(batch)                                              model_outputs
//     metrics() const, measure(batch, span<loss_value>)           further figures with a name and a direction
//     replicate() const                                           a second evaluator with weights of its own, for another thread
namespace weightscope {

/// What a batch adds to the loss; a mean is formed over all batches, once.
struct loss_value
{
    double sum = 0;
    double count = 0;  ///< of what is summed: samples, tokens...

    [[nodiscard]] double mean() const { return sum / count; }
};

/// A tensor of weights that can be changed.
struct weight_info
{
    std::string name = {};
    std::vector<std::size_t> shape = {};  ///< row-major, outermost first
    weightscope::dtype dtype = weightscope::dtype::float32;  ///< how its elements are stored
    std::string tied_to = {};             ///< name of an earlier tensor with the same storage, or empty

    /// Number of elements.
    [[nodiscard]] std::size_t size() const
    {
        std::size_t product = 1;
        for (const std::size_t extent : shape)
            product *= extent;
        return product;
    }
};

/// What the model puts out for a batch.
struct model_outputs
{
    std::vector<float> values = {};  ///< [rows, cols] row-major
    std::size_t rows = 0;            ///< samples, tokens...
    std::size_t cols = 0;            ///< classes, the vocabulary...
};

/// A figure besides the loss.
struct metric_info
{
    std::string name = {};
    bool higher_is_better = false;
};

namespace detail {

template <class R, class T>
concept range_of = std::ranges::input_range<R> && std::convertible_to<std::ranges::range_reference_t<R>, T>;

template <class E>
concept has_weights = requires(const E& e) { { e.weights() } -> range_of<weight_info>; };
template <class E>
concept has_read = requires(const E& e, std::size_t n, std::span<std::byte> bytes) { e.read(n, n, bytes); };
template <class E>
concept has_write = requires(E& e, std::size_t n, std::span<const std::byte> bytes) { e.write(n, n, bytes); };
template <class E>
concept has_batch_count = requires(const E& e) { { e.batch_count() } -> std::convertible_to<std::size_t>; };
template <class E>
concept has_loss = requires(E& e, std::size_t batch) { { e.loss(batch) } -> std::convertible_to<loss_value>; };

}  // namespace detail

/// Named weights whose bytes can be read and written.
template <class E>
concept writable_weights = detail::has_weights<std::remove_cvref_t<E>> && detail::has_read<std::remove_cvref_t<E>>
                        && detail::has_write<std::remove_cvref_t<E>>;

/// Writable weights and a loss over batches: enough for every estimate that needs no more than forwards.
template <class E>
concept forward_evaluator = writable_weights<E> && detail::has_batch_count<std::remove_cvref_t<E>>
                         && detail::has_loss<std::remove_cvref_t<E>>;

/// The loss of each sample; its sum is loss(batch).sum.
template <class E>
concept per_sample_evaluator = forward_evaluator<E> && requires(std::remove_cvref_t<E>& e, std::size_t batch, std::span<double> losses) {
    { e.sample_count(batch) } -> std::convertible_to<std::size_t>;
    e.sample_losses(batch, losses);
};

/// The gradient of loss(batch).sum.
template <class E>
concept differentiable_evaluator = forward_evaluator<E> && requires(std::remove_cvref_t<E>& e, std::size_t batch, const gradient_sink& sink) {
    { e.loss_and_gradient(batch, sink) } -> std::convertible_to<loss_value>;
};

/// The gradient of each sample's loss; they add up to that of loss(batch).sum.
template <class E>
concept per_sample_gradient_evaluator = forward_evaluator<E> && requires(std::remove_cvref_t<E>& e, std::size_t n, const gradient_sink& sink) {
    { e.sample_count(n) } -> std::convertible_to<std::size_t>;
    e.sample_gradient(n, n, sink);
};

/// The Hessian of loss(batch).sum times a direction.
template <class E>
concept hessian_vector_evaluator = forward_evaluator<E>
                                && requires(std::remove_cvref_t<E>& e, std::size_t batch, const weight_direction& direction,
                                            const gradient_sink& sink) { e.hessian_vector(batch, direction, sink); };

/// The inputs of linear layers. Needs no loss.
template <class E>
concept activation_evaluator = detail::has_weights<std::remove_cvref_t<E>> && detail::has_batch_count<std::remove_cvref_t<E>>
                            && requires(std::remove_cvref_t<E>& e, std::size_t batch, const activation_tap& tap) { e.observe(batch, tap); };

namespace detail {

// Whether an evaluator shows what enters its layers: it may know that only when it runs.
template <class E>
bool shows_activations(const E& evaluator)
{
    if constexpr (requires { { evaluator.supports_activations() } -> std::convertible_to<bool>; })
        return activation_evaluator<E> && evaluator.supports_activations();
    else
        return activation_evaluator<E>;
}

}  // namespace detail

/// What the model puts out. Needs no loss.
template <class E>
concept output_evaluator = writable_weights<E> && detail::has_batch_count<std::remove_cvref_t<E>>
                        && requires(std::remove_cvref_t<E>& e, std::size_t batch) { { e.outputs(batch) } -> std::convertible_to<model_outputs>; };

/// Figures besides the loss.
template <class E>
concept measured_evaluator = forward_evaluator<E> && requires(std::remove_cvref_t<E>& e, std::size_t batch, std::span<loss_value> values) {
    { e.metrics() } -> detail::range_of<metric_info>;
    e.measure(batch, values);
};

/// Can be copied for another thread: the copy has weights of its own and gives the same losses.
template <class E>
concept replicable_evaluator = forward_evaluator<E> && requires(const std::remove_cvref_t<E>& e) {
    { e.replicate() } -> std::same_as<std::remove_cvref_t<E>>;
};

}  // namespace weightscope
