#pragma once

#if __has_include(<spawn.h>)

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
#include <weightscope/evaluators/process_channel.hpp>
#include <weightscope/evaluators/scratch_folder.hpp>
#include <weightscope/evaluators/working_copy.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope::detail {

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

// A program that serves as an evaluator, and the folder that it and weightscope share.
struct evaluator_process
{
    evaluator_process(const std::string& shell_line, double timeout, const std::filesystem::path& parent, const model& source)
        : timeout_seconds(timeout), parent_folder(parent), folder(parent), weights(source, folder.path() / "weights.safetensors"), channel(shell_line, folder.path() / "stderr.txt")
    {
        start();
    }
    // The same command once more, with a copy of the weights as they are.
    evaluator_process(const evaluator_process& source)
        : timeout_seconds(source.timeout_seconds),
          parent_folder(source.parent_folder),
          folder(source.parent_folder),
          weights(source.weights, folder.path() / "weights.safetensors"),
          channel(source.channel.command(), folder.path() / "stderr.txt")
    {
        start();
    }
    evaluator_process& operator=(const evaluator_process&) = delete;
    ~evaluator_process() = default;

    std::string ask(const std::string& question) { return channel.ask(question, timeout_seconds); }

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

    double timeout_seconds;
    std::filesystem::path parent_folder;
    scratch_folder folder;
    working_copy weights;
    process_channel channel;
    std::size_t batches = 0;
    bool gradient = false, outputs = false, activations = false;
};

}  // namespace weightscope::detail

#endif
