#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/explain.hpp>

namespace weightscope {

/// How often an evaluator was asked: one for each batch.
struct evaluation_counts
{
    std::size_t losses = 0;
    std::size_t gradients = 0;
    std::size_t sample_gradients = 0;  ///< one for each sample
    std::size_t hessian_vectors = 0;
    std::size_t outputs = 0;
    std::size_t measures = 0;  ///< of the evaluator's own figures, all of them at once

    friend bool operator==(const evaluation_counts&, const evaluation_counts&) = default;

    evaluation_counts& operator+=(const evaluation_counts& other)
    {
        losses += other.losses;
        gradients += other.gradients;
        sample_gradients += other.sample_gradients;
        hessian_vectors += other.hessian_vectors;
        outputs += other.outputs;
        measures += other.measures;
        return *this;
    }
    friend evaluation_counts operator-(const evaluation_counts& a, const evaluation_counts& b)
    {
        return {a.losses - b.losses, a.gradients - b.gradients, a.sample_gradients - b.sample_gradients,
                a.hessian_vectors - b.hessian_vectors, a.outputs - b.outputs, a.measures - b.measures};
    }
};

namespace detail {

struct evaluation_counters
{
    std::atomic<std::size_t> losses = 0, gradients = 0, sample_gradients = 0, hessian_vectors = 0, outputs = 0, measures = 0;

    evaluation_counts snapshot() const { return {losses, gradients, sample_gradients, hessian_vectors, outputs, measures}; }
};

// Any evaluator behind one type, so that the estimates are compiled once. Counts every call; replicas share the counters.
class any_evaluator
{
public:
    virtual ~any_evaluator() = default;

    const std::vector<weight_info>& weights() const { return weights_; }
    const std::vector<metric_info>& metrics() const { return metrics_; }  // figures besides the loss; often none
    evaluation_counts counts() const { return counters_->snapshot(); }

    virtual void read(std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) const = 0;
    virtual void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes) = 0;
    virtual std::size_t batch_count() const = 0;
    virtual loss_value loss(std::size_t batch) = 0;

    virtual bool has_gradient() const = 0;
    virtual bool has_sample_gradient() const = 0;
    virtual bool has_hessian_vector() const = 0;
    virtual bool replicable() const = 0;
    virtual loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink) = 0;
    virtual std::size_t sample_count(std::size_t batch) = 0;
    virtual void sample_gradient(std::size_t batch, std::size_t sample, const gradient_sink& sink) = 0;
    virtual void hessian_vector(std::size_t batch, const weight_direction& direction, const gradient_sink& sink) = 0;
    virtual void measure(std::size_t batch, std::span<loss_value> values) = 0;
    virtual std::unique_ptr<any_evaluator> replicate() const = 0;
    virtual bool supports_outputs() const = 0;
    virtual model_outputs outputs(std::size_t batch) = 0;

protected:
    std::vector<weight_info> weights_;
    std::vector<metric_info> metrics_;
    std::shared_ptr<evaluation_counters> counters_ = std::make_shared<evaluation_counters>();
};

// Stored is E& for the user's own and E for a replica.
template <class Stored>
class evaluator_holder final : public any_evaluator
{
    using E = std::remove_cvref_t<Stored>;
    static_assert(explain<E>());

public:
    template <class Source>
    explicit evaluator_holder(Source&& source, std::shared_ptr<evaluation_counters> counters = nullptr)
        : evaluator_(std::forward<Source>(source))
    {
        for (const auto& info : std::as_const(evaluator_).weights())
            weights_.push_back(info);
        if constexpr (measured_evaluator<E>)
            for (const auto& info : std::as_const(evaluator_).metrics())
                metrics_.push_back(info);
        if (counters)
            counters_ = std::move(counters);
    }

    void read(std::size_t tensor, std::size_t offset, std::span<std::byte> bytes) const override
    {
        std::as_const(evaluator_).read(tensor, offset, bytes);
    }
    void write(std::size_t tensor, std::size_t offset, std::span<const std::byte> bytes) override { evaluator_.write(tensor, offset, bytes); }
    std::size_t batch_count() const override { return std::as_const(evaluator_).batch_count(); }
    loss_value loss(std::size_t batch) override
    {
        ++counters_->losses;
        return evaluator_.loss(batch);
    }

    bool has_gradient() const override
    {
        if constexpr (requires(const E& e) { { e.supports_gradient() } -> std::convertible_to<bool>; })
            return differentiable_evaluator<E> && std::as_const(evaluator_).supports_gradient();
        else
            return differentiable_evaluator<E>;
    }
    bool has_sample_gradient() const override { return per_sample_gradient_evaluator<E>; }
    bool has_hessian_vector() const override { return hessian_vector_evaluator<E>; }
    bool replicable() const override { return replicable_evaluator<E>; }

    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink) override
    {
        if constexpr (differentiable_evaluator<E>) {
            ++counters_->gradients;
            return evaluator_.loss_and_gradient(batch, sink);
        }
        throw std::logic_error("weightscope: the evaluator has no gradients");
    }
    std::size_t sample_count(std::size_t batch) override
    {
        if constexpr (per_sample_gradient_evaluator<E>)
            return evaluator_.sample_count(batch);
        throw std::logic_error("weightscope: the evaluator has no samples");
    }
    void sample_gradient(std::size_t batch, std::size_t sample, const gradient_sink& sink) override
    {
        if constexpr (per_sample_gradient_evaluator<E>) {
            ++counters_->sample_gradients;
            static_cast<void>(evaluator_.sample_gradient(batch, sample, sink));  // it may return what it likes
            return;
        }
        throw std::logic_error("weightscope: the evaluator has no gradients of samples");
    }
    void hessian_vector(std::size_t batch, const weight_direction& direction, const gradient_sink& sink) override
    {
        if constexpr (hessian_vector_evaluator<E>) {
            ++counters_->hessian_vectors;
            static_cast<void>(evaluator_.hessian_vector(batch, direction, sink));  // it may return what it likes
            return;
        }
        throw std::logic_error("weightscope: the evaluator has no Hessian-vector products");
    }
    void measure(std::size_t batch, std::span<loss_value> values) override
    {
        if constexpr (measured_evaluator<E>) {
            ++counters_->measures;
            evaluator_.measure(batch, values);
            return;
        }
        throw std::logic_error("weightscope: the evaluator has no figures besides the loss");
    }
    std::unique_ptr<any_evaluator> replicate() const override
    {
        if constexpr (replicable_evaluator<E>)
            return std::make_unique<evaluator_holder<E>>(std::as_const(evaluator_).replicate(), counters_);
        throw std::logic_error("weightscope: the evaluator cannot be replicated");
    }
    bool supports_outputs() const override
    {
        if constexpr (requires(const E& e) { { e.supports_outputs() } -> std::convertible_to<bool>; })
            return output_evaluator<E> && std::as_const(evaluator_).supports_outputs();
        else
            return output_evaluator<E>;
    }
    model_outputs outputs(std::size_t batch) override
    {
        if constexpr (output_evaluator<E>) {
            ++counters_->outputs;
            return evaluator_.outputs(batch);
        }
        throw std::logic_error("weightscope: the evaluator has no outputs");
    }

private:
    Stored evaluator_;
};

// The user's evaluator, not copied.
template <class E>
evaluator_holder<E&> hold(E& evaluator)
{
    return evaluator_holder<E&>(evaluator);
}

}  // namespace detail

}  // namespace weightscope
