#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/version.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/natural_order.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/report/change_rules.hpp>
#include <weightscope/report/comparison_document.hpp>
#include <weightscope/report/json.hpp>
#include <weightscope/report/markdown.hpp>
#include <weightscope/report/plot_training_evolution.hpp>
#include <weightscope/report/series_report.hpp>
#include <weightscope/study/checkpoint_folder.hpp>
#include <weightscope/study/checkpoint_series.hpp>

#include "arguments.hpp"
#include "chart_arguments.hpp"
#include "command.hpp"
#include "page_arguments.hpp"
#include "progress_line.hpp"
#include "rule_arguments.hpp"
#include "terminal.hpp"

namespace fs = std::filesystem;

namespace {

struct watch_arguments
{
    std::vector<std::string> locations;
    weightscope::name_filter_options names;
    std::string output;  // JSON; "-" is stdout, empty is none
    std::string csv, markdown;
    page_arguments page;
    bool quiet = false;
    bool follow = false;
    double interval = 2, idle_limit = 0;  // seconds; no limit where 0
    bool no_spectral = false;
    std::size_t threads = 0;
    rule_arguments rules;
    std::size_t top_issues = 10;
    chart_arguments charts;
    std::string progress = "auto";
    std::string fail_on = "never";

    std::vector<output_argument> outputs() const
    {
        return wanted_outputs({{"--output", output}, {"--csv", csv}, {"--markdown", markdown}, {"--html", page.html}});
    }
    bool silent() const { return quiet || uses_stdout(outputs()); }
};

class watch
{
public:
    explicit watch(const watch_arguments& arguments)
        : arguments_(arguments),
          series_({.spectral = !arguments.no_spectral,
                   .rules = change_rules_of(weightscope::series_rules(), arguments.rules),
                   .include = arguments.names.include,
                   .exclude = arguments.names.exclude,
                   .restrict_to = arguments.names.restrict_to,
                   .threads = arguments.threads})
    {
    }

    void add(const weightscope::model& m)
    {
        const weightscope::series_checkpoint* checkpoint = nullptr;
        {
            progress_line line(arguments_.quiet ? progress_mode::never : progress_mode_of(arguments_.progress));
            checkpoint = &series_.add(m, [&](const weightscope::progress& state) {
                line.show(state);
                return true;
            });
        }
        if (!arguments_.silent())
            print(to_line(*checkpoint));
    }

    // So that what is known is on disk, whenever training or watching ends.
    void write() const
    {
        const weightscope::series_result& r = series_.result();
        if (!arguments_.csv.empty() && (arguments_.csv != "-" || done_))
            write_output(arguments_.csv, to_csv(r));
        if (!arguments_.output.empty() && (arguments_.output != "-" || done_))
            write_output(arguments_.output, weightscope::to_text(to_json(r)));
        if (!arguments_.markdown.empty() && (arguments_.markdown != "-" || done_))
            write_output(arguments_.markdown, to_markdown(r, {.top_issues = arguments_.top_issues}));
        if (arguments_.page.html != "-" || done_)
            write_pages(arguments_.page, arguments_.top_issues, [&] { return to_document(r); });
    }

    int finish()
    {
        done_ = true;
        write();
        const weightscope::series_result& r = series_.result();
        if (!arguments_.silent())
            print("\n" + to_console(r, {.width = std::clamp<std::size_t>(terminal_width(), 60, 200), .color = wants_color(), .top_issues = arguments_.top_issues}));
        if (!arguments_.charts.folder.empty() && r.checkpoints.size() >= 2)
            write_charts(arguments_.charts, std::vector{plot_training_evolution(to_scan_steps(r))}, arguments_.silent());
        for (const auto& c : r.checkpoints)
            for (const auto& layer : c.layers)
                if (!layer.error.empty()) {
                    print_error(fmt::format("{}: '{}' could not be measured: {}", c.path, layer.name, layer.error));
                    return exit_status::unreadable;
                }
        const std::size_t critical = r.count(weightscope::severity::critical), warning = r.count(weightscope::severity::warning);
        const std::size_t counted = arguments_.fail_on == "critical" ? critical : arguments_.fail_on == "warning" ? critical + warning : 0;
        return counted > 0 ? exit_status::finding : exit_status::done;
    }

private:
    const watch_arguments& arguments_;
    weightscope::checkpoint_series series_;
    bool done_ = false;
};

bool is_folder(const std::string& location)
{
    std::error_code error;
    return fs::is_directory(location, error);
}

// What is there, in natural order: the checkpoints of a folder, or those that are named.
std::vector<fs::path> checkpoints_of(const watch_arguments& arguments)
{
    if (arguments.locations.size() == 1 && is_folder(arguments.locations[0])) {
        std::vector<fs::path> found = weightscope::list_checkpoints(arguments.locations[0]);
        if (found.size() < 2)
            throw usage_error(fmt::format("{}: holds {} checkpoint{}, expected two or more, each a folder or a file; with --follow they may come later",
                                          arguments.locations[0], found.size(), found.size() == 1 ? "" : "s"));
        return found;
    }
    if (arguments.locations.size() < 2)
        throw usage_error("one checkpoint is no series; name two or more, or a folder that holds them");
    std::vector<fs::path> named(arguments.locations.begin(), arguments.locations.end());
    std::sort(named.begin(), named.end(), [](const fs::path& a, const fs::path& b) { return weightscope::natural_less(a.string(), b.string()); });
    return named;
}

void follow(watch& w, const watch_arguments& arguments)
{
    using clock = std::chrono::steady_clock;
    if (arguments.locations.size() != 1)
        throw usage_error("--follow wants one folder");
    weightscope::checkpoint_watcher watcher(arguments.locations[0]);
    for (auto last_news = clock::now();;) {
        for (const fs::path& path : watcher.settled()) {
            std::optional<weightscope::model> m;
            try {
                m = weightscope::open_model(path);
            } catch (const weightscope::io_error&) {
                continue;  // still being written: the next look tells
            }
            watcher.take(path);
            require_names(*m, arguments.names);
            w.add(*m);
            w.write();
            last_news = clock::now();
        }
        if (arguments.idle_limit > 0 && std::chrono::duration<double>(clock::now() - last_news).count() > arguments.idle_limit)
            return;
        std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval));
    }
}

int run_watch(const watch_arguments& arguments)
{
    watch w(arguments);
    require_outputs(arguments.outputs());
    require_chart_folder(arguments.charts);
    require_table_folder(arguments.page);
    if (arguments.follow)
        follow(w, arguments);
    else {
        const std::vector<fs::path> checkpoints = checkpoints_of(arguments);
        for (const fs::path& path : checkpoints)
            require_names(weightscope::open_model(path), arguments.names);  // reads headers only: what is not valid is told before the work
        for (const fs::path& path : checkpoints)
            w.add(weightscope::open_model(path));
    }
    return w.finish();
}

}  // namespace

void add_watch(CLI::App& tool, command& chosen)
{
    CLI::App* sub = tool.add_subcommand("watch", "Follows a model through training: norms, ranks and changes of each layer, checkpoint after checkpoint.");
    const auto arguments = std::make_shared<watch_arguments>();
    watch_arguments& a = *arguments;
    sub->set_version_flag("--version", std::string(weightscope::version), "print the version");
    sub->add_option("CHECKPOINT", a.locations, "two or more models, as for scan, taken in natural order, or a folder that holds them")->required()->type_name("");
    add_name_arguments(*sub, a.names);
    sub->add_option("--output", a.output, "write the result as JSON; - is stdout")->type_name("FILE.json");
    sub->add_option("--csv", a.csv, "write a table with one row per checkpoint and layer; - is stdout")->type_name("FILE");
    sub->add_option("--markdown", a.markdown, "write what was found and its tables for a review; - is stdout")->type_name("FILE.md");
    add_page_arguments(*sub, a.page, false);
    sub->add_flag("--quiet", a.quiet, "print nothing but errors");
    sub->add_flag("--follow", a.follow, "wait for checkpoints that training adds to the folder; files are written after each, so that Ctrl-C loses nothing");
    sub->add_option("--interval", a.interval, "seconds between looks at the folder (2)")->type_name("S")->check(number(0.01, 86400.01, "from 0.01 to 86400"));
    sub->add_option("--idle-limit", a.idle_limit, "stop following when nothing new has come for so many seconds (never)")
        ->type_name("S")
        ->check(number(0.01, 1e9, "from 0.01 to below 1e9"));
    sub->add_flag("--no-spectral", a.no_spectral, "leave out singular values, which take most of the time");
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, std::size_t most, const std::string& description) {
        sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, most));
    };
    add_number("--top-issues", a.top_issues, 0, 1'000'000'000, "findings to print, and rows of each table (10)");
    add_threshold_arguments(*sub, a.rules);
    add_chart_arguments(*sub, a.charts);
    add_number("--threads", a.threads, 1, 1024, "threads to use (one per core)");
    add_choice(*sub, "--progress", a.progress, {"auto", "always", "never"}, "show progress on stderr; auto is on a terminal");
    add_choice(*sub, "--fail-on", a.fail_on, {"critical", "warning", "never"}, "exit with 1 where a finding is as bad or worse");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_watch(*arguments); }; });
}
