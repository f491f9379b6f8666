#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/version.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"

namespace {

using json = nlohmann::ordered_json;

struct total
{
    std::size_t tensors = 0, parameters = 0;
    std::uint64_t bytes = 0;

    void add(const weightscope::named_tensor& tensor)
    {
        ++tensors;
        parameters += tensor.tied_to.empty() ? tensor.size() : 0;  // shared storage counts once
        bytes += tensor.tied_to.empty() ? tensor.bytes.size() : 0;
    }
};

struct inventory
{
    weightscope::model model;
    std::vector<const weightscope::named_tensor*> tensors;  // those that the filters leave
    total all;
    std::map<weightscope::dtype, total> by_dtype;
};

inventory take_inventory(const model_arguments& arguments)
{
    inventory result{.model = open_for(arguments), .tensors = {}, .all = {}, .by_dtype = {}};
    const weightscope::name_filter filter(arguments.names);
    for (const weightscope::named_tensor& tensor : result.model.tensors)
        if (filter.takes(tensor.name)) {
            result.tensors.push_back(&tensor);
            result.all.add(tensor);
            result.by_dtype[tensor.dtype].add(tensor);
        }
    return result;
}

std::string shape_of(const weightscope::named_tensor& tensor, std::string_view separator, std::string_view scalar)
{
    return tensor.shape.empty() ? std::string(scalar) : fmt::format("{}", fmt::join(tensor.shape, separator));
}

std::string to_json(const inventory& found)
{
    const auto totals = [](const total& t) -> json { return {{"tensors", t.tensors}, {"parameters", t.parameters}, {"bytes", t.bytes}}; };
    json dtypes = json::object(), tensors = json::array(), metadata = json::object();
    for (const auto& [dtype, t] : found.by_dtype)
        dtypes[std::string(to_string(dtype))] = totals(t);
    for (const auto& [key, value] : found.model.metadata)
        metadata[key] = value;
    for (const weightscope::named_tensor* tensor : found.tensors) {
        json entry = {{"name", tensor->name},
                      {"shape", tensor->shape},
                      {"dtype", to_string(tensor->dtype)},
                      {"parameters", tensor->size()},
                      {"bytes", tensor->bytes.size()},
                      {"file", tensor->file ? tensor->file->path().string() : found.model.path.string()},
                      {"offset", tensor->offset}};
        if (!tensor->tied_to.empty())
            entry["tied_to"] = tensor->tied_to;
        tensors.push_back(std::move(entry));
    }
    json model = {{"path", found.model.path.string()}, {"format", found.model.format}, {"architecture", found.model.architecture}};
    model.update(totals(found.all));
    const json document = {{"schema", "weightscope/inspect/1"}, {"version", weightscope::version}, {"model", std::move(model)},
                           {"metadata", std::move(metadata)},   {"dtypes", std::move(dtypes)},     {"tensors", std::move(tensors)}};
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

// RFC 4180
std::string cell(std::string_view text)
{
    if (text.find_first_of(",\"\r\n") == std::string_view::npos)
        return std::string(text);
    std::string quoted = "\"";
    for (const char c : text)
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + '"';
}

std::string to_csv(const inventory& found)
{
    std::string text = "name,shape,dtype,parameters,bytes,tied_to\n";
    for (const weightscope::named_tensor* tensor : found.tensors)
        text += fmt::format("{},{},{},{},{},{}\n", cell(tensor->name), shape_of(*tensor, "x", ""), to_string(tensor->dtype), tensor->size(),
                            tensor->bytes.size(), cell(tensor->tied_to));
    return text;
}

std::string to_console(const inventory& found)
{
    constexpr std::size_t longest = 1000;
    std::string text = fmt::format("{}: {}{}{}, {} tensors, {} parameters, {} bytes\n\n", weightscope::printable(found.model.path.string(), longest),
                                   found.model.format, found.model.architecture.empty() ? "" : ", ", weightscope::printable(found.model.architecture),
                                   fmt::group_digits(found.all.tensors), fmt::group_digits(found.all.parameters), fmt::group_digits(found.all.bytes));
    std::size_t name_width = 6, shape_width = 5;  // of the headings
    for (const weightscope::named_tensor* tensor : found.tensors) {
        name_width = std::max(name_width, weightscope::printable(tensor->name, longest).size());
        shape_width = std::max(shape_width, shape_of(*tensor, " x ", "scalar").size());
    }
    if (is_terminal(stdout))
        name_width = std::min(name_width, std::max<std::size_t>(20, terminal_width() - std::min(terminal_width(), shape_width + 50)));
    const auto row = [&](std::string_view name, std::string_view shape, std::string_view dtype, std::string_view parameters, std::string_view bytes) {
        return fmt::format("{:<{}}  {:<{}}  {:<11}  {:>15}  {:>16}", name, name_width, shape, shape_width, dtype, parameters, bytes);
    };
    const auto grouped = [](auto count) { return fmt::format("{}", fmt::group_digits(count)); };
    text += row("tensor", "shape", "dtype", "parameters", "bytes") + "\n";
    for (const weightscope::named_tensor* tensor : found.tensors) {
        const std::string name = is_terminal(stdout) ? ending_of(tensor->name, name_width) : weightscope::printable(tensor->name, longest);
        text += row(name, shape_of(*tensor, " x ", "scalar"), to_string(tensor->dtype), grouped(tensor->size()), grouped(tensor->bytes.size()));
        text += tensor->tied_to.empty() ? "\n" : fmt::format("  tied to {}\n", weightscope::printable(tensor->tied_to, longest));
    }
    text += "\n";
    for (const auto& [dtype, t] : found.by_dtype)
        text += row(fmt::format("{} tensors", grouped(t.tensors)), "", to_string(dtype), grouped(t.parameters), grouped(t.bytes)) + "\n";
    return text;
}

int run_inspect(const model_arguments& arguments)
{
    const inventory found = take_inventory(arguments);
    if (!arguments.csv.empty())
        write_output(arguments.csv, to_csv(found));
    if (!arguments.output.empty())
        write_output(arguments.output, to_json(found));
    if (!arguments.quiet && !uses_stdout(arguments))
        print(to_console(found));
    return exit_status::done;
}

}  // namespace

void add_inspect(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("inspect", "Lists the tensors of a model with shapes, types, sizes and ties; reads headers only.");
    const auto arguments = std::make_shared<model_arguments>();
    add_model_arguments(*sub, *arguments);
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_inspect(*arguments); }; });
}
