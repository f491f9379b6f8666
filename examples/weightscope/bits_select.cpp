#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/report/bit_selection_console.hpp>
#include <weightscope/report/bit_selection_csv.hpp>
#include <weightscope/report/bit_selection_json.hpp>

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

int choose(const bits_select_arguments& arguments, const ws::model& m, ws::detail::any_evaluator* evaluator, const std::vector<std::string>& notes)
{
    const bits_arguments& a = arguments.common;
    const bool talks = !a.model.quiet && !uses_stdout(a.model);
    const auto chosen = select_weights(a, m, evaluator, talks);
    if (!chosen)
        return exit_status::done;
    if (!a.model.csv.empty())
        write_output(a.model.csv, ws::to_csv(chosen->selection));
    if (!a.model.output.empty())
        write_output(a.model.output, ws::to_text(ws::to_json(chosen->selection, chosen->options, context_of(a, m, evaluator, notes))));
    if (talks)
        print(ws::to_console(chosen->selection, std::clamp<std::size_t>(terminal_width(), 60, 200), arguments.top_issues));
    return exit_status::done;
}

int run_bits_select(const bits_select_arguments& a)
{
    return run_with_evaluators([&] {
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
