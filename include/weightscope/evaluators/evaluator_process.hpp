#pragma once

#include <weightscope/evaluators/process_channel.hpp>
#ifdef WEIGHTSCOPE_PROCESSES

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/scratch_folder.hpp>
#include <weightscope/evaluators/working_copy.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

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
            channel.refuse(answer, "'batches N', N > 0, and 'gradient', 'outputs' or 'activations' after it if it can do that");
        batches = *count;
        for (std::size_t i = 2; i < words.size(); ++i) {
            gradient = gradient || words[i] == "gradient";
            outputs = outputs || words[i] == "outputs";
            activations = activations || words[i] == "activations";
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
    bool gradient = false, outputs = false, activations = false;
};

}  // namespace detail

}  // namespace weightscope

#endif
