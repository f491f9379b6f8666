#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/version.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/text_layout.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"

namespace {

using json = nlohmann::ordered_json;
using weightscope::detail::harmless;

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
    const auto totals = [](const total& t) -> json {
        return {{"tensors", t.tensors}, {"parameters", t.parameters}, {"bytes", t.bytes}};
    };
    json dtypes = json::object(), tensors = json::array(), metadata = json::object();
    for (const auto& [dtype, t] : found.by_dtype)
        dtypes[std::string(to_string(dtype))] = totals(t);
    std::unordered_set<std::string_view> keys;
    for (const auto& [key, value] : found.model.metadata)
        if (keys.insert(key).second)  // shards may differ
            metadata.get_ref<json::object_t&>().emplace_back(
                key, value);  // metadata[key] would look through all that there are
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
    json model = {{"path", found.model.path.string()},
                  {"format", found.model.format},
                  {"architecture", found.model.architecture}};
    model.update(totals(found.all));
    const json document = {{"schema", "weightscope/inspect/1"}, {"version", weightscope::version},
                           {"model", std::move(model)},         {"metadata", std::move(metadata)},
                           {"dtypes", std::move(dtypes)},       {"tensors", std::move(tensors)}};
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string to_csv(const inventory& found)
{
    std::string text = "name,shape,dtype,parameters,bytes,tied_to\n";
    for (const weightscope::named_tensor* tensor : found.tensors)
        text += fmt::format("{},{},{},{},{},{}\n", weightscope::detail::quoted(tensor->name),
                            shape_of(*tensor, "x", ""), to_string(tensor->dtype), tensor->size(), tensor->bytes.size(),
                            weightscope::detail::quoted(tensor->tied_to));
    return text;
}

std::string to_console(const inventory& found)
{
    const auto grouped = [](auto count) { return fmt::format("{}", fmt::group_digits(count)); };
    weightscope::detail::text_table tensors{.headings = {"tensor", "shape", "dtype", "parameters", "bytes"}};
    weightscope::detail::text_table dtypes{.headings = {"in all", "tensors", "parameters", "bytes"}};
    for (const weightscope::named_tensor* tensor : found.tensors) {
        const std::string tie = tensor->tied_to.empty() ? "" : " = " + harmless(tensor->tied_to);
        tensors.rows.push_back({harmless(tensor->name) + tie, shape_of(*tensor, " x ", "scalar"),
                                std::string(to_string(tensor->dtype)), grouped(tensor->size()),
                                grouped(tensor->bytes.size())});
    }
    for (const auto& [dtype, t] : found.by_dtype)
        dtypes.rows.push_back(
            {std::string(to_string(dtype)), grouped(t.tensors), grouped(t.parameters), grouped(t.bytes)});
    dtypes.rows.push_back({"all", grouped(found.all.tensors), grouped(found.all.parameters), grouped(found.all.bytes)});

    constexpr std::size_t unlimited = 1'000'000;
    const std::size_t width = is_terminal(stdout) ? terminal_width() : unlimited;
    const weightscope::model& m = found.model;
    const std::string architecture = m.architecture.empty() ? "" : ", " + harmless(m.architecture);
    const std::string title = fmt::format("{}: {}{}", harmless(m.path.string()), m.format, architecture);
    return fmt::format("{}\n\n{}\n\n{}\n", title, fmt::join(tensors.lines(width), "\n"),
                       fmt::join(dtypes.lines(width), "\n"));
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
    CLI::App* sub = tool.add_subcommand(
        "inspect", "Lists the tensors of a model with shapes, types, sizes and ties; reads headers only.");
    const auto arguments = std::make_shared<model_arguments>();
    add_model_arguments(*sub, *arguments);
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_inspect(*arguments); }; });
}
