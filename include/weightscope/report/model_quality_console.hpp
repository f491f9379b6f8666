#pragma once
// How good a model is on data, as cells of a table for a terminal.

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/evaluators/model_quality_result.hpp>

namespace weightscope::detail {

inline std::string short_figure(const metric& figure, const char* format)
{
    return figure.exists() ? fmt::format(fmt::runtime(format), figure.value) : figure.reason;
}

inline std::vector<std::string> quality_cells(const model_quality& q, bool changed)
{
    const auto cell = [&](const metric& figure, const char* format) { return changed ? short_figure(figure, format) : std::string(); };
    const bool broken = q.loss.exists() && std::fabs(q.loss.value) >= 1e6;
    const std::string error =
        changed && q.loss_change_error.exists() ? fmt::format(fmt::runtime(broken ? " ± {:.4g}" : " ± {:.4f}"), q.loss_change_error.value) : "";
    const std::string divergence_error =
        changed && q.outputs.kl_divergence_error.exists() ? fmt::format(" ± {:.2g}", q.outputs.kl_divergence_error.value) : "";
    return {short_figure(q.loss, broken ? "{:.4g}" : "{:.4f}"), changed ? short_figure(q.loss_change, broken ? "{:+.4g}" : "{:+.4f}") + error : "", short_figure(q.perplexity, "{:.4g}"),
            cell(q.outputs.kl_divergence, "{:.4g}") + divergence_error,
            changed && q.outputs.top1_agreement.exists() ? fmt::format("{:.2f} %", 100 * q.outputs.top1_agreement.value) : cell(q.outputs.top1_agreement, "{}"),
            cell(q.outputs.mae, "{:.3g}"), cell(q.outputs.rmse, "{:.3g}"), cell(q.outputs.psnr_db, "{:.1f}"), cell(q.outputs.cosine, "{:.6f}")};
}

inline const std::vector<std::string>& quality_headings()
{
    static const std::vector<std::string> headings = {"loss", "change", "perplexity", "KL", "top-1", "outputs MAE", "RMSE", "PSNR dB", "cosine"};
    return headings;
}

}  // namespace weightscope::detail
