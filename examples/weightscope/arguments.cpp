#include "arguments.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/io/atomic_file.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>

#include "command.hpp"
#include "terminal.hpp"

namespace fs = std::filesystem;

namespace {

std::string fault_of_pattern(const std::string& pattern)
{
    try {
        (void)weightscope::name_filter({.include = {pattern}});
        return {};
    } catch (const std::invalid_argument&) {
        return "'" + pattern
               + "' is no regular expression; put a backslash before ( ) [ ] { } . * + ? that are meant as they stand";
    }
}

// Refuses an output before hours of work are spent on what would go there.
void require_writable(const std::string& target)
{
    std::error_code error;
    const fs::file_status status = fs::status(target, error);
    if (!target.empty() && target != "-"
        && (!fs::exists(status) || fs::is_regular_file(status) || fs::is_directory(status))) {
        const interrupts_held held;
        (void)weightscope::atomic_file(target);  // makes its temporary file and removes it
    }
}

void require_apart(const weightscope::model& m, const std::string& target)
{
    std::error_code error;
    for (const auto& tensor : m.tensors)
        if (tensor.file && !target.empty() && fs::equivalent(tensor.file->path(), target, error))
            throw usage_error(fmt::format("{}: is the model itself; name another file for the result", target));
}

}  // namespace

void require_names(const weightscope::model& m, const weightscope::name_filter_options& names)
{
    const weightscope::name_filter filter(names);
    const std::span tensors(m.tensors);
    if (tensors.empty()
        || std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) { return filter.takes(tensor.name); }))
        return;
    std::string some;
    for (const auto& tensor : tensors.first(std::min<std::size_t>(tensors.size(), 3)))
        some += weightscope::printable(tensor.name) + ", ";
    throw usage_error(fmt::format(
        "--include, --exclude and --restrict leave none of the {} tensors ({}{}); list them with: weightscope inspect "
        "{}",
        tensors.size(), some.substr(0, some.size() - 2), tensors.size() > 3 ? ", ..." : "", m.path.string()));
}

CLI::Option* add_list(CLI::App& sub, const std::string& name, std::vector<std::string>& values,
                      const std::string& placeholder, const std::string& description)
{
    return sub.add_option(name, values, description)
        ->allow_extra_args(false)
        ->expected(1)
        ->take_all()
        ->type_name(placeholder);
}

CLI::Option* add_choice(CLI::App& sub, const std::string& name, std::string& value,
                        const std::vector<std::string>& words, const std::string& description)
{
    return sub.add_option(name, value, fmt::format("{} ({})", description, value))
        ->type_name(fmt::format("{}", fmt::join(words, "|")))
        ->check(one_of(words));
}

weightscope::matrix_orientation orientation_of(const std::string& word)
{
    return word == "out_in"   ? weightscope::matrix_orientation::out_in
           : word == "in_out" ? weightscope::matrix_orientation::in_out
                              : weightscope::matrix_orientation::detect;
}

CLI::Validator one_of(const std::vector<std::string>& words)
{
    const auto fault = [words](const std::string& text) {
        const bool known = std::find(words.begin(), words.end(), text) != words.end();
        return known ? std::string() : fmt::format("'{}' is none of {}", text, fmt::join(words, ", "));
    };
    return {fault, ""};
}

CLI::Validator whole_number(std::size_t least, std::size_t most)
{
    const auto fault = [=](const std::string& text) {
        std::size_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool valid = error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
        return valid ? std::string() : fmt::format("'{}' is no whole number from {} to {}", text, least, most);
    };
    return {fault, ""};
}

CLI::Validator number(double least, double below, const std::string& words)
{
    const auto fault = [=](const std::string& text) {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool valid = error == std::errc() && end == text.data() + text.size() && value >= least && value < below;
        return valid ? std::string() : fmt::format("'{}' is no number {}", text, words);
    };
    return {fault, ""};
}

CLI::Validator no_stdout()
{
    return {[](const std::string& target) { return target == "-" ? std::string("'-' is no file name; a model cannot go to stdout") : std::string(); },
            ""};
}

std::optional<std::uint64_t> bytes_of(const std::string& text)
{
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::pair<std::string_view, double> units[] = {{"", 1},      {"B", 1},     {"kB", 1e3},      {"KB", 1e3},     {"MB", 1e6},
                                                             {"GB", 1e9},  {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30},
                                                             {"TiB", 0x1p40}};
    if (error != std::errc() || !(value >= 0))
        return std::nullopt;
    for (const auto& [name, factor] : units)
        if (unit == name && value * factor < 0x1p63)
            return static_cast<std::uint64_t>(value * factor);
    return std::nullopt;
}

CLI::Validator byte_size()
{
    return {[](const std::string& text) {
                return bytes_of(text) ? std::string() : fmt::format("'{}' is no size; write it as 3.5GiB or 500MB", text);
            },
            ""};
}

std::string sentence_of(const std::exception& error)
{
    const std::string_view text = error.what();
    const std::size_t colon = text.starts_with("weightscope::") ? text.find("): ") : std::string_view::npos;
    return std::string(colon == std::string_view::npos ? text : text.substr(colon + 3));
}

std::vector<output_argument> wanted_outputs(std::vector<output_argument> outputs)
{
    std::erase_if(outputs, [](const output_argument& file) { return file.target.empty(); });
    return outputs;
}

std::vector<output_argument> model_arguments::outputs() const
{
    std::vector<output_argument> all = {{"--output", output}, {"--csv", csv}};
    all.insert(all.end(), more_outputs.begin(), more_outputs.end());
    return wanted_outputs(std::move(all));
}

void add_name_arguments(CLI::App& sub, weightscope::name_filter_options& names)
{
    const CLI::Validator pattern(fault_of_pattern, "");
    add_list(sub, "--include", names.include, "REGEX", "take the tensors with a match in their name (repeatable)")->check(pattern);
    add_list(sub, "--exclude", names.exclude, "REGEX", "leave out those with a match in their name (repeatable)")->check(pattern);
    add_list(sub, "--restrict", names.restrict_to, "A,B", "take the tensors that have one of these in their name")->delimiter(',');
}

void add_model_arguments(CLI::App& sub, model_arguments& arguments)
{
    sub.set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub.add_option("MODEL", arguments.location,
                   "a file, a folder of shards, or a hub id in the local Hugging Face cache")
        ->required()
        ->type_name("");
    add_name_arguments(sub, arguments.names);
    sub.add_option("--output", arguments.output, "write the result as JSON; - is stdout")->type_name("FILE.json");
    sub.add_option("--csv", arguments.csv, "write a table with one row per tensor; - is stdout")->type_name("FILE");
    sub.add_flag("--quiet", arguments.quiet, "print nothing but errors");
}

void require_outputs(const std::vector<output_argument>& outputs)
{
    for (std::size_t i = 0; i < outputs.size(); ++i)
        for (std::size_t k = i + 1; k < outputs.size(); ++k)
            if (outputs[i].target == outputs[k].target)
                throw usage_error(fmt::format("{} and {} both name '{}'; give each its own file", outputs[i].option,
                                              outputs[k].option, outputs[i].target));
    for (const output_argument& output : outputs)
        require_writable(output.target);
}

weightscope::model open_for(const model_arguments& arguments, const weightscope::open_options& options)
{
    const std::vector<output_argument> outputs = arguments.outputs();
    require_outputs(outputs);
    weightscope::model m = weightscope::open_model(arguments.location, options);
    for (const output_argument& output : outputs)
        require_apart(m, output.target);
    require_names(m, arguments.names);
    return m;
}

bool uses_stdout(const model_arguments& arguments)
{
    return uses_stdout(arguments.outputs());
}

bool uses_stdout(const std::vector<output_argument>& outputs)
{
    return std::any_of(outputs.begin(), outputs.end(), [](const auto& output) { return output.target == "-"; });
}

void write_output(const std::string& target, std::string_view text)
{
    if (target == "-")
        return print(text);
    const interrupts_held held;
    weightscope::atomic_file file(target);
    file.write(text);
    file.commit();
}

void print(std::string_view text)
{
    if (const int error = write_now(stdout, text))
        throw weightscope::write_error("standard output",
                                       fmt::format("cannot be written: {}", std::generic_category().message(error)));
}
