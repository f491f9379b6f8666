#pragma once

#include <weightscope/evaluators/process_channel.hpp>
#ifdef WEIGHTSCOPE_PROCESSES

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/evaluator_process.hpp>
#include <weightscope/evaluators/process_activations.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

/// A program in any language as an evaluator: it owns the data and the forward pass, and sees the weights in a file that weightscope
/// changes under it.
///
///     process_evaluator evaluator("python3 my_model.py", open_model("model.safetensors"));
///     const auto traces = estimate_hessian_trace(evaluator);
///
/// The command is run by /bin/sh. It reads questions from its standard input, one a line, and answers each with one line on its
/// standard output, at once (flush it). What it writes to standard error shows in messages about it.
///
///     weightscope 1 FILE    batches N [gradient] [outputs] [activations]
///                                                              FILE is a safetensors file; map it, do not copy it: what it holds changes
///                                                              between the questions; after N stands what the program can do besides
///     loss B                SUM COUNT                          the loss over batch B, 0 to N - 1: a sum, and of how many it is
///     gradient B FILE       SUM COUNT                          only with "gradient": write the gradient of SUM to FILE: for each tensor,
///                                                              in the order of the data, its elements as float32
///     outputs B FILE        ROWS COLS                          only with "outputs": write the outputs to FILE, float32, row-major
///     activations B FILE    LAYERS                             only with "activations": write what enters the linear layers to FILE, a
///                                                              safetensors file: under the name of each layer's weight [rows, cols],
///                                                              floats of any width, and under NAME.rows [rows], U8, 0 for rows that do
///                                                              not count, such as padding; without it all count
///
/// At the end of its input it should end; it is killed if it does not.
///
/// Models differentiable_evaluator, output_evaluator and activation_evaluator; whether the program can do that is known when it runs. A replica is a second
/// process with a second copy of the weights. The model's own files are never written to.
class process_evaluator
{
public:
    /// @param shell_line  for /bin/sh -c
    /// @param weights  the model; its tensors are copied to a file in `options.folder`
    /// @throws process_error  the program cannot be started or does not answer as above
    /// @throws write_error    the copy of the weights cannot be written
    process_evaluator(const std::string& shell_line, const model& weights, const process_evaluator_options& options = {})
        : process_(std::make_unique<detail::evaluator_process>(shell_line, options, weights))
    {
    }

    [[nodiscard]] const std::vector<weight_info>& weights() const { return process_->weights.weights(); }
    void read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const { process_->weights.read(tensor, byte_offset, bytes); }
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes)
    {
        process_->weights.write(tensor, byte_offset, bytes);
    }
    [[nodiscard]] std::size_t batch_count() const { return process_->batches; }

    /// @throws process_error  the program ended, took too long or answered something else; the weights are as they were
    loss_value loss(std::size_t batch) { return process_->loss_from(process_->ask(fmt::format("loss {}", batch))); }

    [[nodiscard]] bool supports_gradient() const { return process_->gradient; }
    /// @throws process_error  as loss(), or the program has no gradients
    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink)
    {
        if (!process_->gradient)
            throw process_error(fmt::format("weightscope: evaluator '{}' has no gradients; let it answer 'batches N gradient'",
                                            printable(process_->channel.command(), 200)));
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

    [[nodiscard]] bool supports_outputs() const { return process_->outputs; }
    /// @throws process_error  as loss(), or the program has no outputs, or the file has not the size that it said
    model_outputs outputs(std::size_t batch)
    {
        if (!process_->outputs)
            throw process_error(fmt::format("weightscope: evaluator '{}' has no outputs; let it answer 'batches N outputs'",
                                            printable(process_->channel.command(), 200)));
        const std::filesystem::path file = process_->folder.path() / "outputs.f32";
        const std::string answer = process_->ask(fmt::format("outputs {} {}", batch, file.string()));
        const auto words = detail::words_of(answer);
        const auto rows = words.size() == 2 ? detail::parse_number<std::size_t>(words[0]) : std::nullopt;
        const auto cols = words.size() == 2 ? detail::parse_number<std::size_t>(words[1]) : std::nullopt;
        if (!rows || !cols || *cols == 0 || *rows > (std::size_t{1} << 40) / *cols)
            process_->channel.refuse(answer, "a number of rows and of columns, such as '64 10'");
        return {.values = process_->floats_in(file, *rows * *cols, answer), .rows = *rows, .cols = *cols};
    }

    [[nodiscard]] bool supports_activations() const { return process_->activations; }
    /// @throws process_error  as loss(), or the program has no activations, or the file is not as above
    void observe(std::size_t batch, const activation_tap& tap)
    {
        if (!process_->activations)
            throw process_error(fmt::format("weightscope: evaluator '{}' has no activations; let it answer 'batches N activations'",
                                            printable(process_->channel.command(), 200)));
        const std::filesystem::path file = process_->folder.path() / "activations.safetensors";
        detail::show_activations(*process_, process_->ask(fmt::format("activations {} {}", batch, file.string())), file, tap);
    }

    /// Starts the command once more, with a copy of the weights as they are.
    [[nodiscard]] process_evaluator replicate() const
    {
        return process_evaluator(std::make_unique<detail::evaluator_process>(*process_, 0));
    }

private:
    explicit process_evaluator(std::unique_ptr<detail::evaluator_process> process) : process_(std::move(process)) {}

    std::unique_ptr<detail::evaluator_process> process_;
};

}  // namespace weightscope

#endif
