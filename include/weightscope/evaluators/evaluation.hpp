#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>

namespace weightscope {

/// What every estimate over an evaluator may be told.
struct evaluation_options
{
    std::vector<std::size_t> batches = {};  ///< empty: all; the loss is the mean over what these batches sum and count
    std::vector<std::size_t> tensors = {};  ///< empty: all of floating point that are tied to no earlier one
    std::uint64_t seed = 0;                 ///< of everything random; the same numbers for any number of threads
    std::size_t threads = 1;                ///< evaluators to work with at once: the given one and replicas of it, if it can be replicated
    progress_callback progress = {};        ///< called as work is done; can cancel
    std::filesystem::path resume = {};      ///< a file that keeps what is done, so that a run that was cut off goes on; removed at the end
    double save_seconds = 5;                ///< between two writes of that file
};

namespace detail {

WEIGHTSCOPE_INLINE std::vector<std::size_t> chosen_batches(const any_evaluator& evaluator, const evaluation_options& options,
                                                           std::string_view caller);

// The tensor that holds the storage: a tied one is changed where it was named first.
WEIGHTSCOPE_INLINE std::size_t storage_of(const any_evaluator& evaluator, std::size_t tensor);

WEIGHTSCOPE_INLINE std::vector<std::size_t> chosen_tensors(const any_evaluator& evaluator, const evaluation_options& options,
                                                           std::string_view caller);

WEIGHTSCOPE_INLINE std::vector<std::byte> stored_bytes(const any_evaluator& evaluator, std::size_t tensor);

WEIGHTSCOPE_INLINE std::vector<double> to_values(dtype type, const std::vector<std::byte>& bytes);

WEIGHTSCOPE_INLINE double root_mean_square(const std::vector<double>& values);

// Losses of batches, apart, so that differences can be formed batch by batch before anything is added up.
WEIGHTSCOPE_INLINE std::vector<loss_value> batch_losses(any_evaluator& evaluator, const std::vector<std::size_t>& batches);

WEIGHTSCOPE_INLINE loss_value total(const std::vector<loss_value>& losses);

WEIGHTSCOPE_INLINE void require_usable(const loss_value& loss, std::string_view caller);

// How much the mean loss is above `base`: what most of the batches' own loss cancels in is subtracted batch by batch.
WEIGHTSCOPE_INLINE double mean_change(const std::vector<loss_value>& changed, const std::vector<loss_value>& base, double count);

// The evaluator and replicas of it.
class evaluator_pool
{
public:
    explicit evaluator_pool(any_evaluator& evaluator) : original_(&evaluator), free_{&evaluator} {}

    // Runs f(evaluator, i) for every i below count, each with an evaluator of its own, on as many threads as there may be evaluators.
    template <class F>
    void for_each(std::size_t count, std::size_t threads, F&& f)
    {
        const std::size_t wanted = std::min(threads, count);
        if (wanted <= 1 || !original_->replicable()) {
            for (std::size_t i = 0; i < count; ++i)
                f(*original_, i);
            return;
        }
        while (replicas_.size() + 1 < wanted) {  // before anything is patched
            replicas_.push_back(original_->replicate());
            free_.push_back(replicas_.back().get());
        }
        with_threads(wanted, [&] {
            parallel_for(count, [&](std::size_t i) {
                const lease taken(*this);
                f(*taken.evaluator, i);
            });
        });
    }

    // How many are worked with at once.
    std::size_t width(std::size_t threads) const { return original_->replicable() ? std::max<std::size_t>(threads, 1) : 1; }

private:
    struct lease
    {
        explicit lease(evaluator_pool& from) : pool(from)
        {
            const std::lock_guard lock(pool.mutex_);
            evaluator = pool.free_.back();  // no more threads than evaluators
            pool.free_.pop_back();
        }
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
        ~lease()
        {
            const std::lock_guard lock(pool.mutex_);
            pool.free_.push_back(evaluator);
        }
        evaluator_pool& pool;
        any_evaluator* evaluator = nullptr;
    };

    any_evaluator* original_;
    std::vector<std::unique_ptr<any_evaluator>> replicas_;
    std::vector<any_evaluator*> free_;
    std::mutex mutex_;
};

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/evaluation.hpp>
#endif
