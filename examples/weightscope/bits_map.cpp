#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/report/bit_documents.hpp>
#include <weightscope/report/bit_map_console.hpp>
#include <weightscope/report/bit_map_csv.hpp>
#include <weightscope/report/bit_map_json.hpp>
#include <weightscope/report/bit_map_study_result.hpp>
#include <weightscope/report/chart_files.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/plot_bit_maps.hpp>
#include <weightscope/study/bit_map_study.hpp>

#include "arguments.hpp"
#include "bits.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "page_arguments.hpp"
#include "progress_line.hpp"
#include "terminal.hpp"

namespace {

struct bits_map_arguments
{
    model_arguments model;
    weightscope::bit_map_study_options options;
    chart_arguments charts;
    page_arguments page;
    std::size_t top_issues = 10;
    std::string progress = "auto";
};

weightscope::bit_map_study_result map_with_progress(const weightscope::model& m, const bits_map_arguments& arguments)
{
    weightscope::bit_map_study_options options = arguments.options;
    options.include = arguments.model.names.include;
    options.exclude = arguments.model.names.exclude;
    options.restrict_to = arguments.model.names.restrict_to;
    progress_line line(arguments.model.quiet ? progress_mode::never : progress_mode_of(arguments.progress));
    return weightscope::map_bits(m, options, [&](const weightscope::progress& state) {
        line.show(state);
        return true;
    });
}

int run_bits_map(bits_map_arguments arguments)
{
    arguments.model.more_outputs = {{"--html", arguments.page.html}, {"--markdown", arguments.page.markdown}};
    require_chart_folder(arguments.charts);
    require_table_folder(arguments.page);
    const weightscope::model m = open_for(arguments.model);
    const weightscope::bit_map_study_result study = map_with_progress(m, arguments);
    if (!arguments.model.csv.empty())
        write_output(arguments.model.csv, to_csv(study));
    if (!arguments.model.output.empty())
        write_output(arguments.model.output, weightscope::to_text(to_json(study)));
    write_pages(arguments.page, arguments.top_issues, [&] { return to_document(study); });
    const bool quiet = arguments.model.quiet || uses_stdout(arguments.model);
    if (!quiet)
        print(to_console(study, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200),
                                 .color = wants_color(),
                                 .top_issues = arguments.top_issues}));
    if (!arguments.charts.folder.empty())
        write_charts(arguments.charts, plot_bit_maps(study), quiet);
    return exit_status::done;
}

}  // namespace

std::string fault_of_bit_set(const std::string& text)
{
    try {
        (void)weightscope::parse_bit_set(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return sentence_of(error);
    }
}

void add_bits_map(CLI::App& bits, command& chosen)
{
    CLI::App* sub = bits.add_subcommand("map", "What a flip of each stored bit would do: a map of bits and tensors, without a run of the model.");
    const auto arguments = std::make_shared<bits_map_arguments>();
    bits_map_arguments& a = *arguments;
    add_model_arguments(*sub, a.model);
    sub->get_option("--csv")->description("write a table with one row per tensor and bit; - is stdout");
    sub->add_option("--bitset", a.options.bitset, "all, mantissa, exponent, exponent_sign, sign, numbers as 14,15 or >=10 (all)")
        ->type_name("BITS")
        ->check(CLI::Validator(fault_of_bit_set, ""));
    add_page_arguments(*sub, a.page);
    add_chart_arguments(*sub, a.charts);
    sub->add_option("--top-issues", a.top_issues, "tensors to show, those with the worst bits first (10)")
        ->type_name("N")
        ->check(whole_number(0, 1'000'000'000));
    sub->add_option("--threads", a.options.threads, "threads to use (one per core)")->type_name("N")->check(whole_number(1, 1024));
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_bits_map(*arguments); }; });
}
