#pragma once

#if __has_include(<spawn.h>)

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/evaluator_process.hpp>
#include <weightscope/evaluators/process_activations.hpp>
#include <weightscope/evaluators/process_error.hpp>
#include <weightscope/evaluators/process_evaluator.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

// Refuses what the program did not offer when it started.
inline void require_offered(bool offered, const evaluator_process& process, std::string_view what)
{
    if (!offered)
        throw process_error(fmt::format("weightscope: evaluator '{}' has no {}; let it answer 'batches N {}'",
                                        printable(process.channel.command(), 200), what == "gradient" ? "gradients" : what, what));
}

}  // namespace detail

WEIGHTSCOPE_INLINE process_evaluator::process_evaluator(const std::string& shell_line, const model& weights, const process_evaluator_options& options)
    : process_(std::make_unique<detail::evaluator_process>(shell_line, options.timeout_seconds, options.folder, weights))
{
}

WEIGHTSCOPE_INLINE process_evaluator::process_evaluator(std::unique_ptr<detail::evaluator_process> process) : process_(std::move(process))
{
}

WEIGHTSCOPE_INLINE process_evaluator::process_evaluator(process_evaluator&& other) noexcept = default;
WEIGHTSCOPE_INLINE process_evaluator& process_evaluator::operator=(process_evaluator&& other) noexcept = default;
WEIGHTSCOPE_INLINE process_evaluator::~process_evaluator() = default;

WEIGHTSCOPE_INLINE const std::vector<weight_info>& process_evaluator::weights() const
{
    return process_->weights.weights();
}

WEIGHTSCOPE_INLINE void process_evaluator::read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const
{
    process_->weights.read(tensor, byte_offset, bytes);
}

WEIGHTSCOPE_INLINE void process_evaluator::write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes)
{
    process_->weights.write(tensor, byte_offset, bytes);
}

WEIGHTSCOPE_INLINE std::size_t process_evaluator::batch_count() const
{
    return process_->batches;
}

WEIGHTSCOPE_INLINE loss_value process_evaluator::loss(std::size_t batch)
{
    return process_->loss_from(process_->ask(fmt::format("loss {}", batch)));
}

WEIGHTSCOPE_INLINE bool process_evaluator::supports_gradient() const
{
    return process_->gradient;
}

WEIGHTSCOPE_INLINE loss_value process_evaluator::loss_and_gradient(std::size_t batch, const gradient_sink& sink)
{
    detail::require_offered(process_->gradient, *process_, "gradient");
    const std::filesystem::path file = process_->folder.path() / "gradient.f32";
    const std::string answer = process_->ask(fmt::format("gradient {} {}", batch, file.string()));
    const auto loss = process_->loss_from(answer);
    std::size_t elements = 0;
    for (const weight_info& info : weights())
        elements += info.size();
    const std::vector<float> values = process_->floats_in(file, elements, answer);
    std::size_t next = 0;
    for (const std::size_t tensor : process_->weights.file_order()) {
        sink(tensor, 0, std::span(values).subspan(next, weights()[tensor].size()));
        next += weights()[tensor].size();
    }
    return loss;
}

WEIGHTSCOPE_INLINE bool process_evaluator::supports_outputs() const
{
    return process_->outputs;
}

WEIGHTSCOPE_INLINE model_outputs process_evaluator::outputs(std::size_t batch)
{
    detail::require_offered(process_->outputs, *process_, "outputs");
    const std::filesystem::path file = process_->folder.path() / "outputs.f32";
    const std::string answer = process_->ask(fmt::format("outputs {} {}", batch, file.string()));
    const auto words = detail::words_of(answer);
    const auto rows = words.size() == 2 ? detail::parse_number<std::size_t>(words[0]) : std::nullopt;
    const auto cols = words.size() == 2 ? detail::parse_number<std::size_t>(words[1]) : std::nullopt;
    if (!rows || !cols || *cols == 0 || *rows > (std::size_t{1} << 40) / *cols)
        process_->channel.refuse(answer, "a number of rows and of columns, such as '64 10'");
    return {.values = process_->floats_in(file, *rows * *cols, answer), .rows = *rows, .cols = *cols};
}

WEIGHTSCOPE_INLINE bool process_evaluator::supports_activations() const
{
    return process_->activations;
}

WEIGHTSCOPE_INLINE void process_evaluator::observe(std::size_t batch, const activation_tap& tap)
{
    detail::require_offered(process_->activations, *process_, "activations");
    const std::filesystem::path file = process_->folder.path() / "activations.safetensors";
    detail::show_activations(*process_, process_->ask(fmt::format("activations {} {}", batch, file.string())), file, tap);
}

WEIGHTSCOPE_INLINE process_evaluator process_evaluator::replicate() const
{
    return process_evaluator(std::make_unique<detail::evaluator_process>(*process_));
}

}  // namespace weightscope

#endif
