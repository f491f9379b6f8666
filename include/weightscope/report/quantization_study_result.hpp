#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/analyzers/spectrum_effect.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/quantizers/quantization_config.hpp>
#include <weightscope/quantizers/quantization_error.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// One way to quantize a whole model.
struct study_variant
{
    std::string name = {};
    scheme normal = {};     ///< of layers that are not sensitive
    scheme sensitive = {};  ///< of those that are
    std::vector<std::string> sensitive_layers = {};  ///< regular expressions; a layer is sensitive if one matches a part of its name
    bool skip_first_last = true;
};

/// The variant that a configuration describes.
[[nodiscard]] WEIGHTSCOPE_INLINE study_variant to_variant(const quantization_config& config);

/// What a limit is set for; greater is worse in all of them.
enum class study_metric
{
    relative_error,  ///< ‖w - ŵ‖ / ‖w‖, Frobenius
    rmse,
    mae,
    max_error,
    cosine_distance, ///< 1 - cosine similarity
};

[[nodiscard]] constexpr std::string_view to_string(study_metric which)
{
    constexpr std::string_view names[] = {"relative_error", "rmse", "mae", "max_error", "cosine_distance"};
    return names[static_cast<std::size_t>(which)];
}

/// That figure of an error.
[[nodiscard]] WEIGHTSCOPE_INLINE metric figure_of(const quantization_error& error, study_metric which);

/// What a study shall do.
struct quantization_study_options
{
    std::vector<study_variant> variants = {};    ///< what is compared
    std::vector<std::size_t> search_groups = {}; ///< not empty: also choose each layer's group size among these
    int search_bits = 4;                         ///< of the codes in these groups
    std::optional<double> max_error = {};        ///< of a layer; set: also go from INT8 to INT4 where it allows that
    study_metric error_metric = study_metric::relative_error;  ///< that max_error is a limit of
    bool skip_first_last = true;   ///< of the searched and the progressive variant
    bool embeddings = false;       ///< quantize embeddings too
    bool vectors = false;          ///< quantize tensors of rank 0 and 1 too: biases and the gains of norms
    std::vector<std::string> include = {};      ///< as in scan_options; what is not chosen is kept as it is
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;                    ///< 0: one per core
    matrix_orientation orientation = matrix_orientation::detect;
    double max_loss_increase = 0.01;            ///< that the recommended variant may have where losses are measured: 1 % of a perplexity
};

/// One scheme on one layer.
struct scheme_figures
{
    storage_size storage = {};
    quantization_error error = {};
    std::optional<spectrum_effect_result> spectrum = {};  ///< of matrices, once measure_spectra has run
};

struct study_layer
{
    std::string name = {};
    std::vector<std::size_t> shape = {};  ///< as stored, row-major
    std::string dtype = {};
    std::size_t parameters = 0;
    std::uint64_t bytes = 0;              ///< as stored
    bool transposed = false;              ///< stored [in, out]; quantized as [out, in]
    std::string tied_to = {};             ///< earlier tensor with the same storage; not counted again
    std::string duplicate_of = {};        ///< earlier tensor with equal bytes, which is treated alike
    std::string kept = {};                ///< why every variant keeps it as it is; empty where it is quantized
    std::string error = {};               ///< why it could not be measured; empty otherwise
    bool first = false;                   ///< the layer that skip_first_last means by the first one
    bool last = false;
    double seconds = 0;                   ///< that all schemes took together
    std::vector<scheme_figures> figures = {};  ///< [schemes of the study] where it is quantized, else empty
};

/// No scheme: the layer stays as it is.
inline constexpr std::size_t kept_as_stored = static_cast<std::size_t>(-1);

/// What a variant does to a layer.
struct layer_pick
{
    std::size_t scheme = kept_as_stored;  ///< index into the schemes of the study
    std::string reason = {};              ///< why this one, or why it is kept; empty where the variant has no choice
};

/// One variant on the whole model.
struct variant_result
{
    std::string name = {};
    bool skip_first_last = false;
    std::vector<layer_pick> picks = {};  ///< [layers of the study]
    std::uint64_t bytes = 0;             ///< of all tensors of the model: packed codes, scales, zero points, padding, and what is kept
    metric compression_ratio = {};       ///< bytes as stored / bytes
    metric bits_per_weight = {};         ///< 8 bytes / parameters of the model
    quantization_error error = {};       ///< over all layers that can be quantized, those that this variant keeps included
    std::size_t quantized_count = 0;     ///< layers
    std::size_t worst_layer = kept_as_stored;  ///< with the greatest error_metric; no index where nothing is lost
    metric worst_error = {};
    bool on_frontier = false;            ///< no other variant is as small and as accurate, and better in one of these
    std::optional<model_quality> quality = {};  ///< on an evaluator's data, once measure_losses has run
};

/// What one decision is worth, everything else equal.
struct study_knob
{
    std::string knob = {};   ///< "bits", "granularity", "group size", "symmetry", "first and last layer"...
    std::string from = {};   ///< variant
    std::string to = {};     ///< variant, or what was changed
    metric error_change_db = {};  ///< 20 log10 of the ratio of relative errors: negative is better
    std::int64_t bytes_change = 0;
};

/// How variants were measured on data.
struct study_evaluation
{
    model_quality before = {};       ///< the model as it is
    std::size_t batches = 0;
    model_quality_plan plan = {};    ///< as told before
    double seconds = 0;              ///< that it took
    metric sqnr_loss_correlation = {};  ///< Spearman's, of SQNR and change of the loss: -1 where more dB always meant less loss
    std::size_t correlated_count = 0;   ///< variants that have both
    std::vector<std::string> notes = {};
};

/// What `study_quantization` returns: measured figures, and what follows from them.
struct quantization_study_result
{
    scanned_model model = {};
    quantization_study_options settings = {};
    scan_environment environment = {};
    double seconds = 0;
    std::vector<scheme> schemes = {};          ///< that were measured
    std::vector<study_layer> layers = {};      ///< in model order
    std::vector<variant_result> variants = {}; ///< as asked for, then the searched one, then the progressive one
    std::string first_layer = {};              ///< that skip_first_last keeps; empty where there is none
    std::string last_layer = {};
    std::size_t best_accuracy = 0;             ///< index of a variant
    std::size_t smallest = 0;
    std::size_t recommended = 0;
    std::string recommended_because = {};
    std::optional<study_evaluation> evaluation = {};  ///< once measure_losses has run
    std::optional<activation_study_result> activations = {};  ///< of an evaluator, where study_activations has run
    std::vector<study_knob> knobs = {};        ///< every pair of variants that differ in one decision, the greatest change first
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/quantization_study_result.hpp>
#endif
