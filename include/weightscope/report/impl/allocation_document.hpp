#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/allocation_charts.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_document.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/report/console_style.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/report/quantization_study_tables.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE report_document to_document(const allocation_plan& plan)
{
    const variant_result& variant = plan.study.variants[plan.variant];
    report_document document{.subject = plan.study.model.path,
                             .verdict = fmt::format("{:.4g} bits per weight, {}: {}", plan.bits_per_weight, detail::short_bytes(variant.bytes),
                                                    plan.solution.proven ? "the best plan within the budget" : "the best plan that was found"),
                             .sentences = detail::document_lines(detail::plan_verdict_text(plan, {}, detail::document_width))};
    if (plan.file_bytes > 0)
        document.steps.push_back(fmt::format("--pack writes it: {} bytes; --write writes it decoded, in the model's own types",
                                             detail::grouped(static_cast<std::size_t>(plan.file_bytes))));
    document.steps.emplace_back("--recipe hands it on to llama-quantize, compressed-tensors, llm-compressor or ONNX Runtime");
    detail::add_table(document, "Layers", detail::plan_layers_table(plan),
                      "next better and next worse: the format, what it adds or saves, and what the loss then changes by. margin: what the whole loses more with any "
                      "other decision about this layer.");
    detail::add_table(document, "Formats", detail::plan_formats_table(plan));
    detail::add_table(document, "Rules of thumb", detail::plan_rules_table(plan), "Each beside the best plan in as many bytes.");
    detail::add_table(document, "Rules of thumb, run", detail::plan_measured_table(plan), "What the model's loss changes by when all layers are quantized at once.");
    detail::add_table(document, "Two factors", detail::plan_low_rank_table(plan));
    detail::add_table(document, "Front", detail::plan_front_table(plan), "Plans that are the best for their size.");
    document.charts = plot_allocation(plan);
    document.facts = {{"loss", fmt::format("{}, from {}", detail::allocation_loss_words(plan.settings.loss), plan.loss_source)},
                      {"candidates", fmt::format("{}", fmt::join(plan.settings.candidates, ", "))},
                      {"tied", fmt::format("{}", fmt::join(plan.settings.ties, ", "))},
                      {"seconds", fmt::format("{:.2f}", plan.study.seconds)}};
    return document;
}

}  // namespace weightscope
