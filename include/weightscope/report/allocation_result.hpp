#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/analyzers/low_rank.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/quantizers/allocation.hpp>
#include <weightscope/quantizers/allocation_margins.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// What counts as the loss of a layer in a format.
enum class allocation_loss
{
    error,             ///< Σ e² of its weights, e = w - ŵ
    relative_error,    ///< Σ e² / Σ w²
    activation_error,  ///< Σ_j E[x_j²] Σ_i e_ij²: the square of what its outputs change by, for one token
    relative_activation_error,  ///< the same over what its outputs are without it, Σ_j E[x_j²] Σ_i w_ij²
    curvature,         ///< ½ Σ h e², h from the diagonal of the Hessian, or ½ mean(h) Σ e² from its trace
    fisher,            ///< ½ Σ E[g²] e², the empirical Fisher information for the Hessian
    given,             ///< numbers from outside
    measured,          ///< what the loss of the model rises by when that layer alone is quantized
    kl_divergence,     ///< of the outputs from those of the model as it is, when that layer alone is quantized: nats, mean over rows
};

[[nodiscard]] constexpr std::string_view to_string(allocation_loss loss)
{
    constexpr std::string_view names[] = {"error",     "relative_error", "activation_error", "relative_activation_error",
                                          "curvature", "fisher",         "given",            "measured", "kl_divergence"};
    return names[static_cast<std::size_t>(loss)];
}

/// Whether a loss is given for each layer and format, rather than made from a layer's errors.
[[nodiscard]] constexpr bool is_table(allocation_loss loss)
{
    return loss == allocation_loss::given || loss == allocation_loss::measured || loss == allocation_loss::kl_divergence;
}

/// Something said of the layers that a regular expression matches.
struct allocation_pin
{
    std::string pattern = {};
    std::string format = {};  ///< one of the candidates, or any other scheme's name, or "keep"
};
struct allocation_limit
{
    std::string pattern = {};
    double bits = 0;  ///< per weight, scales included
};

/// What a plan has to keep to.
struct allocation_plan_options
{
    std::optional<double> bits_per_weight = {};    ///< of all weights of the model, scales and what is kept as stored included
    std::optional<std::uint64_t> size = {};        ///< bytes of the packed file; this or bits_per_weight
    std::vector<std::string> candidates = {};      ///< names of schemes, and "keep"; empty: see default_allocation_candidates()
    allocation_loss loss = allocation_loss::relative_error; ///< not `given` where no numbers are given
    std::vector<std::string> ties = {};            ///< regular expressions: layers that one matches with the same captures take one format
    std::vector<allocation_pin> pins = {};         ///< the first that matches holds
    std::vector<allocation_limit> least_bits = {}; ///< layers take no less than this
    std::vector<allocation_limit> most_bits = {};
    bool rules = true;                             ///< also rules of thumb, to compare with
    bool low_rank = false;                         ///< also what two factors would keep of each matrix
    bool embeddings = false;                       ///< as in quantization_study_options
    bool vectors = false;
    std::vector<std::string> include = {};
    std::vector<std::string> exclude = {};
    std::vector<std::string> restrict_to = {};
    std::size_t threads = 0;
    matrix_orientation orientation = matrix_orientation::detect;
    allocation_options search = {};                ///< limits of the search
    std::optional<double> bit_operations = {};     ///< for one token: Σ weights × bits of a weight × activation_bits; tables that are looked up take none
    int activation_bits = 16;
    std::optional<double> latency = {};            ///< Σ of the numbers in allocation_sources::latencies, in their unit
};

/// Formats from two to eight bits, and "keep".
[[nodiscard]] inline std::vector<std::string> default_allocation_candidates()
{
    return {"int2-g32", "int3-g64", "int3-g32", "int4-g128", "int4-g64", "int4-g32", "int5-g64", "int6-g64", "int8-per-channel-sym", "keep"};
}

/// A format on an item.
struct plan_option
{
    std::size_t scheme = kept_as_stored;  ///< index into the schemes of the study
    std::uint64_t bytes = 0;
    double bits_per_weight = 0;
    double loss = 0;
    double standard_error = 0;            ///< of the loss; 0: not known
    std::uint64_t bit_operations = 0;     ///< for one token; where a budget is set
    double latency = 0;                   ///< likewise
};

/// A layer, or layers that have to take the same format.
struct plan_item
{
    std::vector<std::size_t> layers = {};   ///< indices into the layers of the study
    std::size_t parameters = 0;
    std::vector<plan_option> options = {};  ///< that it may take, by rising size
    std::size_t chosen = 0;                 ///< index of an option
    allocation_margin margin = {};          ///< its rival is an index of an option
};

/// A rule of thumb, and what the optimum makes of the same bytes.
struct plan_rule
{
    std::string name = {};
    std::string meaning = {};
    std::size_t variant = 0;      ///< index into the variants of the study
    std::uint64_t bytes = 0;      ///< as variant_result::bytes
    double loss = 0;
    metric optimum_loss = {};     ///< of the best plan in as many bytes
    metric lost_by_rule = {};     ///< loss / optimum_loss - 1
    std::optional<std::size_t> optimum_variant = {};  ///< that plan among the variants of the study
};

/// A budget of a plan, and what the plan takes of it.
struct plan_budget
{
    std::string name = {};  ///< "bytes", "bit operations", "latency"
    double limit = 0;
    double used = 0;
    double least = 0;       ///< that any plan takes of it, the other budgets left aside
    double price = 0;       ///< what the loss falls by for a unit more of it, about
};

/// A plan on the convex front of size and loss.
struct plan_point
{
    std::uint64_t bytes = 0;
    double bits_per_weight = 0;
    double loss = 0;
};

/// Which layer gets which format.
struct allocation_plan
{
    quantization_study_result study = {};  ///< every candidate as a variant, the rules of thumb, and the plan: see `variant`
    allocation_plan_options settings = {};
    std::string loss_source = {};          ///< where the sensitivities come from: "weights", "model.imatrix"
    std::vector<std::string> notes = {};   ///< what a reader has to know about them
    std::vector<plan_item> items = {};     ///< in model order of their first layers
    std::size_t variant = 0;               ///< the plan among the variants of the study
    std::uint64_t budget = 0;              ///< bytes for all tensors of the model; where no bytes are asked for, of the largest plan
    std::uint64_t kept_bytes = 0;          ///< of these, of tensors that no plan quantizes
    std::uint64_t file_bytes = 0;          ///< of the packed file, header included
    double bits_per_weight = 0;
    allocation_result solution = {};       ///< of the items; costs without kept_bytes
    std::vector<plan_budget> budgets = {}; ///< those that are asked for
    std::vector<plan_rule> rules = {};     ///< by falling size
    std::vector<plan_point> front = {};    ///< by rising size
    std::vector<std::optional<low_rank_result>> low_rank = {};  ///< [layers of the study] of planned matrices, where asked for
};

}  // namespace weightscope
