#pragma once

#if __has_include(<spawn.h>)
#define WEIGHTSCOPE_PROCESSES

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/process_error.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

struct evaluator_process;

}  // namespace detail

struct process_evaluator_options
{
    double timeout_seconds = 600;       ///< for one answer; then the program is ended
    std::filesystem::path folder = {};  ///< where the working copy of the weights lies while the program runs; empty: the system's for temporary files
};

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
    process_evaluator(const std::string& shell_line, const model& weights, const process_evaluator_options& options = {});
    process_evaluator(process_evaluator&& other) noexcept;
    process_evaluator& operator=(process_evaluator&& other) noexcept;
    ~process_evaluator();

    [[nodiscard]] const std::vector<weight_info>& weights() const;
    void read(std::size_t tensor, std::size_t byte_offset, std::span<std::byte> bytes) const;
    void write(std::size_t tensor, std::size_t byte_offset, std::span<const std::byte> bytes);
    [[nodiscard]] std::size_t batch_count() const;

    /// @throws process_error  the program ended, took too long or answered something else; the weights are as they were
    loss_value loss(std::size_t batch);

    [[nodiscard]] bool supports_gradient() const;
    /// @throws process_error  as loss(), or the program has no gradients
    loss_value loss_and_gradient(std::size_t batch, const gradient_sink& sink);

    [[nodiscard]] bool supports_outputs() const;
    /// @throws process_error  as loss(), or the program has no outputs, or the file has not the size that it said
    model_outputs outputs(std::size_t batch);

    [[nodiscard]] bool supports_activations() const;
    /// @throws process_error  as loss(), or the program has no activations, or the file is not as above
    void observe(std::size_t batch, const activation_tap& tap);

    /// Starts the command once more, with a copy of the weights as they are.
    [[nodiscard]] process_evaluator replicate() const;

private:
    explicit process_evaluator(std::unique_ptr<detail::evaluator_process> process);

    std::unique_ptr<detail::evaluator_process> process_;
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/process_evaluator.hpp>
#endif

#endif
