#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/analyzers/compare_weights.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/series_result.hpp>

namespace weightscope {

struct series_options
{
    bool spectral = true;                       ///< largest singular value and stable rank of matrices
    std::vector<change_rule> rules = series_rules();
    std::vector<std::string> include = {};      ///< as in scan_options
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;                    ///< 0: one per core
};

/// Follows a model through its training, one checkpoint after the other. Of what went before only the last checkpoint is kept, as a map
/// of its file.
///
///     checkpoint_series series;
///     for (const auto& path : {"checkpoint-500", "checkpoint-1000"})
///         series.add(open_model(path));
///     series.result().checkpoints.back().findings
class checkpoint_series
{
public:
    explicit checkpoint_series(series_options options = {}) : options_(std::move(options)) { result_.rules = options_.rules; }

    /// Measures the next checkpoint and judges it against the one before.
    ///
    /// @param m         see open_model; tensors are matched by name
    /// @param progress  called when a tensor begins and when it is done; may cancel
    /// @return          see series_checkpoint; a tensor that cannot be read has an `error` and does not lose the others
    /// @throws cancelled              the callback returned false
    /// @throws std::invalid_argument  the patterns leave no tensor
    /// @note            two passes over each tensor, one over the one before, and for matrices those of analyze_largest_singular_value.
    ///                  The same figures for any number of threads.
    WEIGHTSCOPE_INLINE const series_checkpoint& add(const model& m, const progress_callback& progress = {});

    [[nodiscard]] const series_result& result() const { return result_; }

private:
    WEIGHTSCOPE_INLINE void measure(const named_tensor& t, const named_tensor* before, series_layer& layer,
                                    std::optional<compare_weights_result>& compared) const;
    WEIGHTSCOPE_INLINE void judge(series_checkpoint& checkpoint, const std::vector<std::optional<compare_weights_result>>& compared,
                                  const std::vector<std::optional<std::size_t>>& before) const;

    series_options options_;
    series_result result_ = {};
    std::vector<named_tensor> previous_ = {};
    std::map<std::string, std::size_t> places_ = {};
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/checkpoint_series.hpp>
#endif
