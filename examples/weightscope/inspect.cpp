#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/report/document.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/text_layout.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "page_arguments.hpp"
#include "terminal.hpp"

namespace {

using json = nlohmann::ordered_json;
using weightscope::detail::harmless;

struct inspect_arguments
{
    model_arguments model;
    page_arguments page;
};

struct total
{
    std::size_t tensors = 0, parameters = 0;
    std::uint64_t bytes = 0;

    void add(const weightscope::named_tensor& tensor)
    {
        ++tensors;
        parameters += tensor.tied_to.empty() ? tensor.size() : 0;  // shared storage counts once
        bytes += tensor.tied_to.empty() ? tensor.stored_bytes() : 0;
    }
};

std::optional<double> bits_per_weight(std::size_t parameters, std::uint64_t bytes)
{
    return parameters == 0 ? std::nullopt : std::optional(8 * static_cast<double>(bytes) / static_cast<double>(parameters));
}

// How tensors are stored, and for those in blocks of ggml what a block is.
struct storage_total
{
    total sums = {};
    std::string name = {};
    weightscope::dtype dtype = weightscope::dtype::float32;
    bool listed_only = false;
    const weightscope::ggml_type* block = nullptr;
};

struct inventory
{
    weightscope::model model;
    std::vector<const weightscope::named_tensor*> tensors;  // those that the filters leave
    total all;
    std::size_t parts = 0;  // codes and scales of others among them, which the totals leave out
    std::vector<storage_total> by_storage;
};

const weightscope::ggml_type* block_of(const weightscope::named_tensor& tensor, const weightscope::model& model)
{
    const bool blocks = !tensor.encoding.empty() && model.format.starts_with("GGUF");
    return blocks ? weightscope::find_ggml_type(tensor.encoding) : nullptr;
}

inventory take_inventory(const model_arguments& arguments)
{
    inventory result{.model = open_for(arguments), .tensors = {}, .all = {}, .by_storage = {}};
    const weightscope::name_filter filter(arguments.names);
    for (const weightscope::named_tensor& tensor : result.model.tensors)
        if (filter.takes(tensor.name)) {
            result.tensors.push_back(&tensor);
            if (!tensor.part_of.empty()) {
                ++result.parts;
                continue;
            }
            result.all.add(tensor);
            const std::string name = tensor.storage();
            auto same = std::find_if(result.by_storage.begin(), result.by_storage.end(), [&](const auto& t) { return t.name == name; });
            if (same == result.by_storage.end())
                same = result.by_storage.insert(same, {.name = name,
                                                       .dtype = tensor.dtype,
                                                       .listed_only = !weightscope::is_numeric(tensor.dtype),
                                                       .block = block_of(tensor, result.model)});
            same->sums.add(tensor);
        }
    std::sort(result.by_storage.begin(), result.by_storage.end(),
              [](const auto& a, const auto& b) { return std::tie(a.dtype, a.name) < std::tie(b.dtype, b.name); });
    return result;
}

std::string shape_of(const weightscope::named_tensor& tensor, std::string_view separator, std::string_view scalar)
{
    return tensor.shape.empty() ? std::string(scalar) : fmt::format("{}", fmt::join(tensor.shape, separator));
}

std::string to_json(const inventory& found)
{
    const auto totals = [](const total& t) -> json {
        const auto bits = bits_per_weight(t.parameters, t.bytes);
        return {{"tensors", t.tensors}, {"parameters", t.parameters}, {"bytes", t.bytes}, {"bits_per_weight", bits ? json(*bits) : json()}};
    };
    json dtypes = json::object(), tensors = json::array(), metadata = json::object();
    for (const storage_total& t : found.by_storage) {
        json& entry = dtypes[t.name] = totals(t.sums);
        if (t.block)
            entry["block"] = {{"weights", t.block->block_weights}, {"bytes", t.block->block_bytes}};
        if (t.listed_only)
            entry["listed_only"] = true;
    }
    std::unordered_set<std::string_view> keys;
    for (const auto& [key, value] : found.model.metadata)
        if (keys.insert(key).second)  // shards may differ
            metadata.get_ref<json::object_t&>().emplace_back(
                key, value);  // metadata[key] would look through all that there are
    for (const weightscope::named_tensor* tensor : found.tensors) {
        json entry = {{"name", tensor->name},
                      {"shape", tensor->shape},
                      {"dtype", tensor->storage()},
                      {"parameters", tensor->size()},
                      {"bytes", tensor->stored_bytes()},
                      {"file", tensor->file ? tensor->file->path().string() : found.model.path.string()},
                      {"offset", tensor->offset}};
        if (!tensor->tied_to.empty())
            entry["tied_to"] = tensor->tied_to;
        if (!tensor->part_of.empty())
            entry["part_of"] = tensor->part_of;
        if (tensor->decoder)
            entry["decoded_as"] = to_string(tensor->dtype);
        tensors.push_back(std::move(entry));
    }
    json model = {{"path", found.model.path.string()},
                  {"format", found.model.format},
                  {"architecture", found.model.architecture}};
    model.update(totals(found.all));
    model["parts"] = found.parts;
    model["notes"] = found.model.notes;
    const json document = {{"schema", "weightscope/inspect/1"}, {"version", weightscope::version},
                           {"model", std::move(model)},         {"metadata", std::move(metadata)},
                           {"dtypes", std::move(dtypes)},       {"tensors", std::move(tensors)}};
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string to_csv(const inventory& found)
{
    std::string text = "name,shape,dtype,parameters,bytes,tied_to,part_of,bits_per_weight\n";
    for (const weightscope::named_tensor* tensor : found.tensors) {
        const auto bits = bits_per_weight(tensor->size(), tensor->stored_bytes());
        text += fmt::format("{},{},{},{},{},{},{},{}\n", weightscope::detail::quoted(tensor->name), shape_of(*tensor, "x", ""),
                            weightscope::detail::quoted(tensor->storage()), tensor->size(), tensor->stored_bytes(),
                            weightscope::detail::quoted(tensor->tied_to), weightscope::detail::quoted(tensor->part_of),
                            bits ? fmt::format("{}", *bits) : std::string());
    }
    return text;
}

// With as many of four decimals as there are.
std::string shown_bits(std::optional<double> bits)
{
    if (!bits)
        return "-";
    std::string text = fmt::format("{:.4f}", *bits);
    text.erase(text.find_last_not_of('0') + 1);
    return text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
}

// What cannot be seen in the tables.
std::vector<std::string> remarks_on(const inventory& found)
{
    std::vector<std::string> remarks;
    for (const storage_total& t : found.by_storage) {
        if (t.block)
            remarks.push_back(fmt::format("{}: {} weights in {} bytes, {} bits per weight{}", t.name, t.block->block_weights,
                                          t.block->block_bytes, shown_bits(t.block->bits_per_weight()),
                                          t.listed_only ? "; listed only: what its codes stand for is not known here" : ""));
        else if (t.listed_only)
            remarks.push_back(fmt::format("{}: listed only, not analysed", harmless(t.name)));
    }
    if (found.parts > 0)
        remarks.push_back(fmt::format("tensors that are codes or scales of others, not counted: {}", fmt::group_digits(found.parts)));
    for (const std::string& note : found.model.notes)
        remarks.push_back(harmless(note));
    return remarks;
}

using weightscope::detail::grouped;
using weightscope::detail::text_table;

text_table tensors_table(const inventory& found)
{
    text_table table{.headings = {"tensor", "shape", "dtype", "parameters", "bytes"}};
    for (const weightscope::named_tensor* tensor : found.tensors) {
        const std::string tie = !tensor->tied_to.empty()   ? " = " + harmless(tensor->tied_to)
                                : !tensor->part_of.empty() ? " (part of " + harmless(tensor->part_of) + ")"
                                                           : "";
        table.rows.push_back({harmless(tensor->name) + tie, shape_of(*tensor, " x ", "scalar"), harmless(tensor->storage()),
                              grouped(tensor->size()), grouped(tensor->stored_bytes())});
    }
    return table;
}

text_table storage_table(const inventory& found)
{
    text_table table{.headings = {"in all", "tensors", "parameters", "bytes", "bits per weight"}};
    const auto add_row = [&](std::string name, const total& t) {
        table.rows.push_back({std::move(name), grouped(t.tensors), grouped(t.parameters), grouped(t.bytes),
                              shown_bits(bits_per_weight(t.parameters, t.bytes))});
    };
    for (const storage_total& t : found.by_storage)
        add_row(harmless(t.name), t.sums);
    add_row("all", found.all);
    return table;
}

// "safetensors, llama".
std::string kind_of(const weightscope::model& m)
{
    return m.format + (m.architecture.empty() ? "" : ", " + harmless(m.architecture));
}

std::string to_console(const inventory& found)
{
    constexpr std::size_t unlimited = 1'000'000;
    const std::size_t width = is_terminal(stdout) ? terminal_width() : unlimited;
    const std::vector<std::string> remarks = remarks_on(found);
    return fmt::format("{}: {}\n\n{}\n\n{}\n{}{}{}", harmless(found.model.path.string()), kind_of(found.model), fmt::join(tensors_table(found).lines(width), "\n"),
                       fmt::join(storage_table(found).lines(width), "\n"), remarks.empty() ? "" : "\n", fmt::join(remarks, "\n"), remarks.empty() ? "" : "\n");
}

weightscope::report_document to_document(const inventory& found)
{
    weightscope::report_document document{.subject = found.model.path.string(),
                                          .verdict = fmt::format("{}: {} tensors, {} parameters in {} bytes", kind_of(found.model), grouped(found.all.tensors),
                                                                 grouped(found.all.parameters), grouped(found.all.bytes)),
                                          .sentences = remarks_on(found)};
    weightscope::detail::add_table(document, "Storage", storage_table(found));
    weightscope::detail::add_table(document, "Tensors", tensors_table(found));
    return document;
}

int run_inspect(inspect_arguments a)
{
    model_arguments& arguments = a.model;
    arguments.more_outputs = {{"--html", a.page.html}, {"--markdown", a.page.markdown}};
    require_table_folder(a.page);
    const inventory found = take_inventory(arguments);
    if (!arguments.csv.empty())
        write_output(arguments.csv, to_csv(found));
    if (!arguments.output.empty())
        write_output(arguments.output, to_json(found));
    write_pages(a.page, found.tensors.size(), [&] { return to_document(found); });
    if (!arguments.quiet && !uses_stdout(arguments))
        print(to_console(found));
    return exit_status::done;
}

}  // namespace

void add_inspect(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand(
        "inspect", "Lists the tensors of a model with shapes, types, sizes and ties; reads headers only.");
    const auto arguments = std::make_shared<inspect_arguments>();
    add_model_arguments(*sub, arguments->model);
    add_page_arguments(*sub, arguments->page);
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_inspect(*arguments); }; });
}
