#pragma once

#include <weightscope/evaluators/process_channel.hpp>
#ifdef WEIGHTSCOPE_PROCESSES

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/scratch_folder.hpp>
#include <weightscope/evaluators/working_copy.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

struct process_evaluator_options
{
    double timeout_seconds = 600;           ///< for one answer; then the program is ended
    std::filesystem::path folder = {};      ///< where the working copy of the weights lies while the program runs; empty: the system's for temporary files
};

namespace detail {

// Splits an answer into words.
inline std::vector<std::string_view> words_of(std::string_view line)
{
    std::vector<std::string_view> words;
    while (true) {
        const std::size_t begin = line.find_first_not_of(" \t");
        if (begin == std::string_view::npos)
            return words;
        const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
        words.push_back(line.substr(begin, end - begin));
        line.remove_prefix(end);
    }
}

template <class Number>
std::optional<Number> parse_number(std::string_view text)
{
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

struct evaluator_process
{
    evaluator_process(const std::string& shell_line, const process_evaluator_options& how, const model& source)
        : options(how), folder(how.folder), weights(source, folder.path() / "weights.safetensors"), channel(shell_line, folder.path() / "stderr.txt")
    {
        start();
    }
    evaluator_process(const evaluator_process& source, int)
        : options(source.options),
          folder(source.options.folder),
          weights(source.weights, folder.path() / "weights.safetensors"),
          channel(source.channel.command(), folder.path() / "stderr.txt")
    {
        start();
    }

    std::string ask(const std::string& question) { return channel.ask(question, options.timeout_seconds); }

    void start()
    {
        const std::string answer = ask(fmt::format("weightscope 1 {}", weights.path().string()));
        const auto words = words_of(answer);
        const auto count = words.size() >= 2 && words[0] == "batches" ? parse_number<std::size_t>(words[1]) : std::nullopt;
        if (!count || *count == 0)
            channel.refuse(answer, "'batches N', N > 0, and 'gradient' or 'outputs' after it if it can do that");
        batches = *count;
        for (std::size_t i = 2; i < words.size(); ++i) {
            gradient = gradient || words[i] == "gradient";
            outputs = outputs || words[i] == "outputs";
        }
    }

    loss_value loss_from(const std::string& answer)
    {
        const auto words = words_of(answer);
        const auto sum = words.size() == 2 ? parse_number<double>(words[0]) : std::nullopt;
        const auto count = words.size() == 2 ? parse_number<double>(words[1]) : std::nullopt;
        if (!sum || !count || !(*count >= 0))
            channel.refuse(answer, "a sum and a count, such as '153.5 64'");
        return {*sum, *count};
    }

    // What the program wrote to a file, which it then may overwrite.
    std::vector<float> floats_in(const std::filesystem::path& file, std::size_t count, std::string_view answer)
    {
        std::error_code missing;
        const auto bytes = std::filesystem::file_size(file, missing);
        if (missing || bytes != count * sizeof(float))
            channel.refuse(answer, fmt::format("{} floats in the file that it was given, which has {} bytes", count,
                                               missing ? std::uintmax_t{0} : bytes));
        std::vector<float> values(count);
        if (count > 0) {
            const mapped_file map(file);
            read_verified(&map, [&] { std::memcpy(values.data(), map.bytes().data(), std::min<std::size_t>(map.bytes().size(), bytes)); });
        }
        std::filesystem::remove(file, missing);
        return values;
    }

    process_evaluator_options options;
    scratch_folder folder;
    working_copy weights;
    process_channel channel;
    std::size_t batches = 0;
    bool gradient = false, outputs = false;
};

}  // namespace detail

/// A program in any language as an evaluator: it owns the data and the forward pass, and sees the weights in a file that weightscope
/// changes under it.
///
///     process_evaluator evaluator("python3 my_model.py", open_model("model.safetensors"));
///     const auto traces = estimate_hessian_trace(evaluator);
///
/// The command is run by /bin/sh. It reads questions from its standard input, one a line, and answers each with one line on its
/// standard output, at once (flush it). What it writes to standard error shows in messages about it.
///
///     weightscope 1 FILE    batches N [gradient] [outputs]     FILE is a safetensors file; map it, do not copy it: what it holds changes
///                                                              between the questions
///     loss B                SUM COUNT                          the loss over batch B, 0 to N - 1: a sum, and of how many it is
///     gradient B FILE       SUM COUNT                          only with "gradient": write the gradient of SUM to FILE: for each tensor,
///                                                              in the order of the data, its elements as float32
///     outputs B FILE        ROWS COLS                          only with "outputs": write the outputs to FILE, float32, row-major
///
/// At the end of its input it should end; it is killed if it does not.
///
/// Models differentiable_evaluator and output_evaluator; whether the program can do either is known when it runs. A replica is a second
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
