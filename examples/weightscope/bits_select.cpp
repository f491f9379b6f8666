#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/report/bit_documents.hpp>
#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/bit_selection_csv.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/report/bit_selection_reader.hpp>
#include <weightscope/scorers/bit_merge.hpp>

#include "bits.hpp"
#include "bits_arguments.hpp"
#include "terminal.hpp"

namespace ws = weightscope;

namespace {

struct bits_select_arguments
{
    bits_arguments common;
    std::size_t top_issues = 20;
};

void write_selection(const bits_select_arguments& a, const ws::bit_selection& selection, const ws::select_bits_options& options,
                     const ws::bit_report_context& context)
{
    const model_arguments& model = a.common.model;
    if (!model.csv.empty())
        write_output(model.csv, ws::to_csv(selection));
    if (!model.output.empty())
        write_output(model.output, ws::to_text(ws::to_json(selection, options, context)));
    write_pages(a.common.page, a.top_issues, [&] { return ws::to_document(selection, context.model); });
    if (!model.quiet && !uses_stdout(model))
        print(ws::to_console(selection, std::clamp<std::size_t>(terminal_width(), 60, 200), a.top_issues));
}

int choose(const bits_select_arguments& arguments, const ws::model& m, ws::detail::any_evaluator* evaluator, const std::vector<std::string>& notes)
{
    const bits_arguments& a = arguments.common;
    const auto chosen = select_weights(a, m, evaluator, !a.model.quiet && !uses_stdout(a.model));
    if (chosen)
        write_selection(arguments, chosen->selection, chosen->options, context_of(a, m, evaluator, notes));
    return exit_status::done;
}

int merge_selections(const bits_select_arguments& a)
{
    require_outputs(a.common.model.outputs());
    std::vector<ws::bit_selection> shards;
    std::vector<ws::select_bits_options> options;
    ws::bit_report_context context;
    for (ws::saved_bit_selection& saved : read_shards(a.common, [](const std::string& file) { return ws::read_bit_selection(file); })) {
        shards.push_back(std::move(saved.selection));
        options.push_back(std::move(saved.options));
        context = std::move(saved.context);
    }
    const ws::bit_selection merged = ws::merge_bit_selections(shards, options);
    options.front().shard = 0;
    options.front().shard_count = 1;
    write_selection(a, merged, options.front(), context);
    return exit_status::done;
}

int run_bits_select(bits_select_arguments a)
{
    a.common.model.more_outputs = {{"--html", a.common.page.html}, {"--markdown", a.common.page.markdown}};
    return run_with_evaluators([&] {
        require_table_folder(a.common.page);
        require_model_or_merge(a.common);
        if (!a.common.merge.empty())
            return merge_selections(a);
        require_consistent(a.common.evaluator);
        const ws::model m = open_for(a.common.model);
        opened_evaluators evaluators = open_evaluators(a.common.evaluator, m, {.use = evaluator_use::measure});
        if (!evaluators.exist())
            return choose(a, m, nullptr, {});
        return evaluators.with_measuring([&](auto& evaluator) {
            auto held = ws::detail::hold(evaluator);
            return choose(a, m, &held, evaluators.notes);
        });
    });
}

}  // namespace

void add_bits_select(CLI::App& bits, command& chosen)
{
    CLI::App* sub = bits.add_subcommand("select", "Chooses the weights whose flipped bits are worth measuring: from the file alone, or with gradients.");
    const auto arguments = std::make_shared<bits_select_arguments>();
    add_bits_arguments(*sub, arguments->common);
    sub->get_option("--csv")->description("write a table with one row per candidate; - is stdout");
    sub->add_option("--top-issues", arguments->top_issues, "candidates that are listed (20)")->type_name("N")->check(whole_number(0, 1'000'000'000));
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_bits_select(*arguments); }; });
}
