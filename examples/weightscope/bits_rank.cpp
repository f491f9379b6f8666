#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/io/bit_plan.hpp>
#include <weightscope/report/bit_candidates_reader.hpp>
#include <weightscope/report/bit_documents.hpp>
#include <weightscope/report/bit_ranking_console.hpp>
#include <weightscope/report/bit_ranking_csv.hpp>
#include <weightscope/report/bit_ranking_json.hpp>
#include <weightscope/report/bit_ranking_reader.hpp>
#include <weightscope/scorers/bit_failing_share.hpp>
#include <weightscope/scorers/bit_merge.hpp>
#include <weightscope/scorers/bit_ranking.hpp>
#include <weightscope/scorers/bit_ranking_plan.hpp>
#include <weightscope/scorers/flips_quality.hpp>

#include "bits.hpp"
#include "bits_arguments.hpp"
#include "terminal.hpp"

namespace ws = weightscope;

namespace {

struct bits_rank_arguments
{
    bits_arguments common;
    ws::rank_bits_options rank;
    ws::failing_share_options share;
    std::string weights_in, after, search = "progressive";
    std::vector<std::string> metrics;
    bool maximize = false, minimize = false, save_all_records = false, outputs = false;
    std::size_t top_k = 50, top_issues = 20;
};

bool talks(const bits_rank_arguments& a) { return !a.common.model.quiet && !uses_stdout(a.common.model); }

ws::bit_ranking_json_options json_options_of(const bits_rank_arguments& a)
{
    return {.all_records = a.save_all_records || !a.common.shard.empty(), .top_k = a.top_k};
}

template <class Result>
void write_result(const bits_rank_arguments& a, const Result& result, const ws::bit_ranking& ranking, const ws::bit_report_context& context)
{
    const model_arguments& model = a.common.model;
    if (!model.csv.empty())
        write_output(model.csv, ws::to_csv(ranking, a.top_k));
    if (!model.output.empty())
        write_output(model.output, ws::to_text(ws::to_json(result, context, json_options_of(a))));
    write_pages(a.common.page, a.top_issues, [&] { return ws::to_document(result, context.model); });
    if (talks(a))
        print(ws::to_console(result, std::clamp<std::size_t>(terminal_width(), 60, 200), a.top_issues));
}

// The files of a ranking whose plan is not measured yet: a run that is cut off meanwhile leaves them.
void write_before_measuring(bits_rank_arguments a, const ws::bit_ranking& ranking, const ws::bit_report_context& context)
{
    for (std::string* target : {&a.common.model.output, &a.common.model.csv, &a.common.page.html, &a.common.page.markdown})
        if (*target == "-")
            target->clear();
    a.common.model.quiet = true;
    write_result(a, ranking, ranking, context);
}

ws::rank_bits_options rank_options_of(const bits_rank_arguments& a, const ws::detail::any_evaluator& evaluator)
{
    ws::rank_bits_options options = a.rank;
    options.bits = a.common.select.bits;
    options.search = a.search == "independent" ? ws::bit_search::independent : ws::bit_search::progressive;
    options.goal = a.maximize ? ws::bit_goal::maximize : a.minimize ? ws::bit_goal::minimize : ws::bit_goal::harm;
    options.metrics = a.metrics;
    if (options.metrics == std::vector<std::string>{"all"}) {
        options.metrics = {"loss"};
        for (const ws::metric_info& info : evaluator.metrics())
            options.metrics.push_back(info.name);
    }
    if (const auto shard = shard_of(a.common))
        std::tie(options.shard, options.shard_count) = *shard;
    if (!a.after.empty())
        options.after = ws::read_bit_plan(a.after).flips;
    options.evaluation = evaluation_of(a.common, &evaluator);
    return options;
}

int sample_flips(const bits_rank_arguments& a, const ws::model& m, ws::detail::any_evaluator& evaluator, const ws::bit_report_context& context)
{
    ws::failing_share_options options = a.share;
    options.bits = a.common.select.bits;
    options.metric = a.rank.metric;
    options.goal = a.maximize ? ws::bit_goal::maximize : a.minimize ? ws::bit_goal::minimize : ws::bit_goal::harm;
    options.takes = selection_of(a.common).takes;
    options.parts = a.common.select.parts;
    if (const auto shard = shard_of(a.common))
        std::tie(options.shard, options.shard_count) = *shard;
    options.evaluation = evaluation_of(a.common, &evaluator);
    const ws::detail::bit_sources sources = ws::detail::bit_sources_of(m);
    constexpr auto caller = "estimate_failing_share(model, evaluator, options)";
    const ws::failing_share_plan plan = ws::detail::plan_failing_share(evaluator, sources, options, a.common.budget, caller);
    if (talks(a) || a.common.plan_only)
        print(fmt::format("plan: a sample of {} from {} flips takes at most {} losses of a batch, about {:.3g} s; the share will be known to about ±{:.2g} %\n",
                          plan.samples, plan.population, plan.evaluation.counts.losses + plan.evaluation.counts.measures, plan.evaluation.seconds,
                          100 * plan.margin));
    if (!plan.evaluation.refusal.empty())
        throw usage_error(plan.evaluation.refusal);
    if (a.common.plan_only)
        return exit_status::done;
    options.samples = plan.samples;
    progress_line line(a.common.model.quiet ? progress_mode::never : progress_mode_of(a.common.progress));
    options.evaluation.progress = [&](const ws::progress& state) {
        line.show(state);
        return true;
    };
    const ws::failing_share_result result = ws::detail::estimate_failing_share(evaluator, sources, options, &m, caller);
    write_result(a, result, result.ranking, context);
    return exit_status::done;
}

// Calls that telling what the plan does takes after a search; a shard's plan is none that is made.
std::size_t measuring_calls(const bits_rank_arguments& a, const ws::detail::any_evaluator& evaluator, std::size_t batches, std::size_t flips)
{
    if (!a.common.shard.empty())
        return 0;
    const std::size_t each = 1 + (evaluator.metrics().empty() ? 0 : 1) + (evaluator.supports_outputs() ? 1 : 0);
    const std::size_t ranked = !a.outputs ? 0 : a.rank.top_b > 0 ? std::min(a.rank.top_b, flips) : flips;
    return batches * each * (2 + ranked);
}

std::string measuring_text(std::size_t calls)
{
    return calls > 0 ? fmt::format("; measuring what is chosen takes {} more", calls) : std::string();
}

std::optional<std::vector<ws::bit_candidate>> candidates_of(const bits_rank_arguments& a, const ws::model& m, ws::detail::any_evaluator& evaluator)
{
    if (!a.weights_in.empty())
        return ws::read_bit_candidates(a.weights_in);
    bits_arguments whole = a.common;  // the flips are cut into shards, not the choice
    whole.shard.clear();
    auto chosen = select_weights(whole, m, &evaluator, talks(a));
    return chosen ? std::optional(std::move(chosen->selection.candidates)) : std::nullopt;
}

int rank_flips(const bits_rank_arguments& a, const ws::model& m, ws::detail::any_evaluator& evaluator, const std::vector<std::string>& notes)
{
    ws::bit_report_context context = context_of(a.common, m, &evaluator, notes);
    context.weights_file = a.weights_in;
    if (a.search == "sample")
        return sample_flips(a, m, evaluator, context);
    const auto candidates = candidates_of(a, m, evaluator);
    if (!candidates)
        return exit_status::done;
    ws::rank_bits_options options = rank_options_of(a, evaluator);
    constexpr auto caller = "rank_bits(model, evaluator, candidates, options)";
    ws::evaluation_budget budget = a.common.budget;
    if (const std::size_t last = measuring_calls(a, evaluator, context.num_val_batches, a.rank.top_b); budget.losses > 0)
        budget.losses -= std::min(last, budget.losses - 1);
    const ws::bit_ranking_plan plan = ws::detail::plan_rank_bits(evaluator, *candidates, options, budget, &m, caller);
    if (talks(a) || a.common.plan_only)
        print(fmt::format("plan: {} flips of {} weights take {}{} losses of a batch, {}about {:.3g} s{}\n", plan.flips, plan.candidates,
                          plan.at_most ? "at most " : "", plan.evaluation.counts.losses + plan.evaluation.counts.measures + plan.evaluation.counts.outputs,
                          plan.candidates < candidates->size() ? fmt::format("of {} candidates the first ones, ", candidates->size()) : std::string(),
                          plan.evaluation.seconds, measuring_text(measuring_calls(a, evaluator, context.num_val_batches, plan.flips))));
    if (!plan.evaluation.refusal.empty())
        throw usage_error(plan.evaluation.refusal);
    if (a.common.plan_only)
        return exit_status::done;
    progress_line line(a.common.model.quiet ? progress_mode::never : progress_mode_of(a.common.progress));
    options.evaluation.progress = [&](const ws::progress& state) {
        line.show(state);
        return true;
    };
    ws::bit_ranking ranking = ws::detail::rank_bits(evaluator, std::span(*candidates).first(plan.candidates), options, &m, caller);
    if (a.common.shard.empty()) {
        write_before_measuring(a, ranking, context);
        ranking.quality = ws::detail::measure_flips(evaluator, &m, ws::flip_sets_of(ranking, a.outputs),
                                                    {.batches = options.evaluation.batches, .progress = options.evaluation.progress}, caller);
    }
    write_result(a, ranking, ranking, context);
    return exit_status::done;
}

int merge_files(const bits_rank_arguments& a)
{
    require_outputs(a.common.model.outputs());
    std::vector<ws::saved_bit_ranking> shards = read_shards(a.common, [](const std::string& file) { return ws::read_bit_ranking(file); });
    const ws::bit_report_context context = shards.back().context;
    if (shards.front().share) {
        std::vector<ws::failing_share_result> shares;
        for (ws::saved_bit_ranking& shard : shards) {
            if (!shard.share)
                throw usage_error("some of the shards are of a random sample and some are not; shards are of one search");
            shares.push_back(std::move(*shard.share));
        }
        const ws::failing_share_result merged = ws::merge_failing_shares(shares);
        write_result(a, merged, merged.ranking, context);
        return exit_status::done;
    }
    std::vector<ws::bit_ranking> rankings;
    for (ws::saved_bit_ranking& shard : shards)
        rankings.push_back(std::move(shard.ranking));
    const ws::bit_ranking merged = ws::merge_bit_rankings(rankings);
    write_result(a, merged, merged, context);
    return exit_status::done;
}

void require_rankable(const bits_rank_arguments& a)
{
    if (a.maximize && a.minimize)
        throw usage_error("--maximize and --minimize contradict each other; give one of them");
    require_model_or_merge(a.common);
    if (!a.common.merge.empty())
        return;
    require_consistent(a.common.evaluator);
    if (!a.common.evaluator.given())
        throw usage_error("ranking runs the model; give it --data, --text or --evaluator, or look at the bits without with: weightscope bits map");
    if (!a.common.shard.empty() && a.search == "progressive")
        throw usage_error("--shard: each step of a progressive search needs the best flip of all shards; rank step by step: --search independent --shard, "
                          "then --merge, then the same --after the plan that it gave");
    if (!a.after.empty() && a.search == "sample")
        throw usage_error("--after goes with --search progressive or independent");
    if (a.outputs && a.search == "sample")
        throw usage_error("--outputs goes with --search progressive or independent: a sample chooses no flips");
    if (a.outputs && !a.common.shard.empty())
        throw usage_error("--outputs: what flips do is measured once the shards are put together; leave it out, or leave out --shard");
}

int run_bits_rank(bits_rank_arguments a)
{
    a.common.model.more_outputs = {{"--html", a.common.page.html}, {"--markdown", a.common.page.markdown}};
    return run_with_evaluators([&] {
        require_rankable(a);
        require_table_folder(a.common.page);
        if (!a.common.merge.empty())
            return merge_files(a);
        const ws::model m = open_for(a.common.model);
        opened_evaluators evaluators = open_evaluators(a.common.evaluator, m, {.use = evaluator_use::measure});
        return evaluators.with_measuring([&](auto& evaluator) {
            auto held = ws::detail::hold(evaluator);
            return rank_flips(a, m, held, evaluators.notes);
        });
    });
}

}  // namespace

void add_bits_rank(CLI::App& bits, command& chosen)
{
    CLI::App* sub = bits.add_subcommand("rank", "Flips bits for real and ranks the flips by what they do to the model.");
    const auto arguments = std::make_shared<bits_rank_arguments>();
    bits_rank_arguments& a = *arguments;
    add_bits_arguments(*sub, a.common);
    sub->get_option("--csv")->description("write a table of the flips that move each figure most; - is stdout");
    const auto add_number = [&](const std::string& name, std::size_t& value, std::size_t least, const std::string& description) {
        return sub->add_option(name, value, description)->type_name("N")->check(whole_number(least, 1'000'000'000));
    };
    sub->add_option("--weights-in", a.weights_in, "candidates that bits select wrote; without it they are chosen first")->type_name("FILE.json");
    add_choice(*sub, "--search", a.search, {"progressive", "independent", "sample"},
               "flips on top of each other, each alone, or a random sample of all flips");
    sub->add_option("--metric", a.rank.metric, "what is moved: loss, a figure of the evaluator, or of its outputs kl_divergence, top1_agreement, outputs_mae, outputs_rmse (loss)")->type_name("NAME");
    sub->add_flag("--maximize", a.maximize, "move it up; the default is the way that harms");
    sub->add_flag("--minimize", a.minimize, "move it down");
    sub->add_option("--metrics", a.metrics, "more figures to record, or all: those of the evaluator; each flip takes another run for them, and one for those of outputs")->type_name("NAME,NAME")->delimiter(',')->allow_extra_args(false);
    sub->add_flag("--outputs", a.outputs, "measure loss and outputs after each flip that was chosen, and not with the whole plan only");
    add_number("--top-b", a.rank.top_b, 0, "flips to choose; 0: all that help (1)");
    sub->add_flag("--go-on", a.rank.go_on, "choose --top-b flips even where none helps");
    add_number("--flips-per-weight", a.rank.flips_per_weight, 0, "bits of one weight that a progressive search may flip; 0: no limit (0)");
    sub->add_flag("--crashes-first", a.rank.crashes_first, "flips that make the model give no numbers rank before all others");
    sub->add_option("--samples", a.share.samples, "of --search sample: flips to run; without it as many as --margin needs")->type_name("N")->check(whole_number(1, 1'000'000'000));
    sub->add_option("--margin", a.share.margin, "of --search sample: half of the interval (0.01)")->type_name("R")->check(number(1e-6, 1, "above 0 and below 1"));
    sub->add_option("--confidence", a.share.confidence, "of --search sample (0.95)")->type_name("R")->check(number(1e-6, 1, "above 0 and below 1"));
    sub->add_option("--threshold", a.share.threshold, "of --search sample: a flip fails that makes the metric worse by more (0.1)")->type_name("R")->check(number(0, 1e300, "of 0 or more"));
    sub->add_option("--after", a.after, "flips that are made first, and that the plan begins with: what bits rank wrote")->type_name("PLAN.json");
    sub->add_flag("--save-all-records", a.save_all_records, "write every flip to --output");
    add_number("--top-k", a.top_k, 0, "flips in each table of the files; 0: all (50)");
    add_number("--top-issues", a.top_issues, 0, "flips that are listed (20)");
    sub->callback([&chosen, arguments] { chosen = [arguments] { return run_bits_rank(*arguments); }; });
}
