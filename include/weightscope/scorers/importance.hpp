#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/io/activation_statistics.hpp>

namespace weightscope {

/// One number for each weight of a tensor, row-major: owned and shared by copies, or looked at where it lies.
class importance_values
{
public:
    importance_values() = default;
    importance_values(std::vector<double> values)
        : owned_(std::make_shared<const std::vector<double>>(std::move(values))), source_(detail::source_of(std::span<const double>(*owned_)))
    {
    }
    importance_values(std::initializer_list<double> values) : importance_values(std::vector<double>(values)) {}
    /// A copy of a tensor of any layout.
    template <tensor W>
    explicit importance_values(const W& values)
        : importance_values(detail::with_source(values, [](const detail::weight_source& source) { return detail::to_doubles(source); }))
    {
    }

    /// Looks at numbers that somebody else owns and that must outlive this.
    [[nodiscard]] static importance_values view(std::span<const double> values) { return importance_values(detail::source_of(values)); }
    [[nodiscard]] static importance_values view(std::span<const float> values) { return importance_values(detail::source_of(values)); }

    [[nodiscard]] std::size_t size() const noexcept { return source_.size; }
    [[nodiscard]] bool empty() const noexcept { return source_.size == 0; }
    /// Copies the numbers from `begin` on into `out`, as many as it holds.
    void read(std::size_t begin, std::span<double> out) const { source_.read_double(source_.data, begin, out.size(), out.data()); }
    /// Where the numbers from `begin` on lie as doubles, or null where they do not.
    [[nodiscard]] const double* doubles(std::size_t begin) const noexcept
    {
        return source_.is_double ? static_cast<const double*>(source_.data) + begin : nullptr;
    }

private:
    explicit importance_values(const detail::weight_source& source) : source_(source) {}

    std::shared_ptr<const std::vector<double>> owned_ = {};
    detail::weight_source source_ = {};
};

/// Where the numbers that a score is made of came from.
struct importance_origin
{
    std::string source = {};       ///< "evaluator", the name of a file; empty: given by the caller
    std::size_t batches = 0;
    std::size_t samples = 0;       ///< texts, images... that were looked at
    std::uint64_t seed = 0;        ///< of everything random
    std::string fingerprint = {};  ///< of the calibration data, see select_calibration(); empty: not known
};

/// What a scorer may know of a tensor besides its weights. Derivatives are those of the mean loss. Each part may be missing.
struct importance_info
{
    importance_values gradients = {};          ///< [size] dL/dw
    importance_values gradient_errors = {};    ///< [size] standard errors
    importance_values squared_gradients = {};  ///< [size] diagonal of the empirical Fisher information, see estimate_importance()
    importance_values squared_gradient_errors = {};
    importance_values hessian_diag = {};       ///< [size] d²L/dw²; may be negative
    importance_values hessian_errors = {};
    std::optional<activation_statistics> activations = {};  ///< of the layer's inputs
    std::size_t sequences = 0;                 ///< that the activations were collected from; 0: not known
    importance_origin origin = {};
};

/// Whose scores can be compared: what is removed is chosen among these.
enum class comparison_group
{
    row,     ///< weights of one row of [out, in], which is one output
    tensor,  ///< weights of one tensor
    global,  ///< weights of the whole model
};

[[nodiscard]] constexpr std::string_view to_string(comparison_group group)
{
    return group == comparison_group::row ? "row" : group == comparison_group::tensor ? "tensor" : "global";
}

/// How much each weight of a tensor matters: the lower its score, the sooner it can go.
struct importance_result
{
    std::vector<double> scores = {};       ///< [size] row-major; NaN where a weight or what is known of it is not finite: masks never take those
    std::vector<std::size_t> shape = {};   ///< of the tensor
    std::string method = {};               ///< "taylor_2nd"
    std::string formula = {};              ///< "|w g| + w² |h| / 2, h = Hessian diagonal"
    comparison_group group = comparison_group::global;  ///< the widest within which scores compare
    bool predicts_change = false;          ///< scores are changes of the mean loss, with their sign
    std::string normalisation = "none";
    std::size_t unscored_count = 0;        ///< NaN among the scores
    std::size_t dead_input_count = 0;      ///< inputs whose activations were all 0, which makes their weights' scores 0
    std::vector<double> standard_errors = {};  ///< [size] on request, where the inputs have them
    metric relative_standard_error = metric::missing("the inputs have no standard errors");  ///< √(Σ error² / Σ score²)
    metric second_to_first_ratio = metric::missing("the score has no two orders");           ///< Σ w² |h| / 2 over Σ |w g|
    importance_origin origin = {};
};

}  // namespace weightscope
