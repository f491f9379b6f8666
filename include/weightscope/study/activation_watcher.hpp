#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/quantizers/activation_observer.hpp>
#include <weightscope/report/quantization_activations_result.hpp>

namespace weightscope::detail {

// Watches all linear layers of an evaluator.
class activation_watcher
{
public:
    activation_watcher(const std::vector<weight_info>& weights, const activation_study_options& options);

    activation_tap tap();
    // Whether every layer that was seen has had its samples.
    bool satisfied() const;

    activation_study_result result() const;

private:
    struct watched
    {
        std::string name = {};
        std::shared_ptr<activation_observer> observer = {};
        std::vector<float> channels = {};  // largest magnitude of each
        std::size_t rows = 0;
    };

    void take(watched& one, const activation_view& inputs);

    activation_layer layer_of(const watched& one) const;

    activation_trial trial_of(const activation_study_result& study, std::size_t o) const;

    activation_study_options options_;
    std::vector<watched> seen_ = {};
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/activation_watcher.hpp>
#endif
