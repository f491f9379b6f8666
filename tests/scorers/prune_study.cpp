#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/evaluators/weight_group.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/gguf.hpp>
#include <weightscope/scorers/apply_config.hpp>
#include <weightscope/scorers/apply_slices.hpp>
#include <weightscope/scorers/prune_method.hpp>
#include <weightscope/scorers/prune_sources.hpp>
#include <weightscope/scorers/prune_study.hpp>
#include <weightscope/scorers/removable.hpp>

#include "../catch.hpp"
#include "../evaluators/gguf_models.hpp"
#include "../evaluators/tiny_transformers.hpp"
#include "../io/files.hpp"

using namespace weightscope;
using files::message;

namespace {

std::vector<prune_method> methods(std::initializer_list<const char*> names)
{
    std::vector<prune_method> result;
    for (const char* name : names)
        result.push_back(parse_prune_method(name));
    return result;
}

// A tiny LLaMA with an evaluator that calibrates and measures on the same tokens.
struct tiny_study
{
    tiny::made_model made = tiny::make_model(tiny::llama);
    transformer<double> t{made.m, tiny::llama, tiny::make_tokens(14, tiny::llama.vocabulary_size)};
    prune_sources sources = {};

    tiny_study()
    {
        sources.calibrate_with(t);
        sources.measure_with(t);
    }
    prune_result run(study_pruning_options options) const
    {
        options.groups.head_size = tiny::llama.head_size;
        return study_pruning(made.m, sources, options);
    }
};

}  // namespace

TEST_CASE("methods are told by their names")
{
    CHECK(parse_prune_method("wanda").needs().activations);
    CHECK(parse_prune_method("taylor_2nd").needs().curvature);
    CHECK(parse_prune_method("auto").score == prune_score::automatic);
    const prune_method mixed = parse_prune_method("mixed:taylor+0.5*wanda");
    REQUIRE(mixed.parts.size() == 2);
    CHECK(mixed.parts[1].weight == 0.5);
    CHECK(mixed.parts[1].method == importance_method::wanda);
    CHECK(parse_prune_method("mixed").parts.size() == 2);
    CHECK(message<std::invalid_argument>([] { (void)parse_prune_method("best"); })
          == "weightscope::parse_prune_method(text): 'best' is no method, expected magnitude, taylor, taylor_2nd, taylor_2nd_signed, wanda, random, "
             "ablation, probe, screening, auto, mixed, or a mixture such as mixed:taylor+0.5*wanda");
    CHECK(parse_prune_method("screening").needs().gradients);
    CHECK_FALSE(parse_prune_method("screening:magnitude").needs().gradients);
    CHECK(parse_prune_method("screening:mixed").parts.size() == 2);
    CHECK(message<std::invalid_argument>([] { (void)parse_prune_method("screening:probe"); })
          == "weightscope::parse_prune_method(text): 'screening:probe' screens by 'probe', which is no score of weights");
    CHECK(message<std::invalid_argument>([] { (void)parse_prune_method("mixed:taylor+auto"); })
          == "weightscope::parse_prune_method(text): 'mixed:taylor+auto' mixes 'auto', which is no score of weights");
    CHECK(message<std::invalid_argument>([] { (void)parse_prune_method("mixed:0*taylor"); })
          == "weightscope::parse_prune_method(text): 'mixed:0*taylor' has the weight '0', expected a number above 0");
}

TEST_CASE("a study measures what a sliced model has, method by method, and puts the weights back")
{
    tiny_study s;
    const double before = s.t.loss(0).mean();
    study_pruning_options options{.methods = methods({"taylor", "magnitude", "wanda", "random", "ablation", "probe", "mixed"})};
    options.selection.ratio = 0.2;
    const prune_result r = s.run(options);
    CHECK(s.t.loss(0).mean() == before);
    CHECK(r.before.loss.value == before);
    REQUIRE(r.trials.size() == 7);
    for (const prune_trial& trial : r.trials) {
        const sliced_model smaller = slice_model(s.made.m, r.groups, trial.selection.removed);
        transformer<double> t(smaller.smaller, slice_config(tiny::llama, r.groups, trial.selection.removed),
                              tiny::make_tokens(14, tiny::llama.vocabulary_size));
        CHECK(t.loss(0).mean() == Approx(trial.after.loss.value).epsilon(1e-12));
        CHECK(trial.after.perplexity.value == Approx(std::exp(trial.after.loss.value)));
        CHECK(trial.after.loss_change.value == Approx(trial.after.loss.value - before).margin(1e-12));
        REQUIRE(trial.after.figures.size() == 1);
        CHECK(trial.after.figures[0].name == "accuracy");
        CHECK(trial.actual_ratio >= 0.2);
        CHECK(trial.after.outputs.kl_divergence.value > 0);
        CHECK(trial.after.outputs.top1_agreement.value <= 1);
        CHECK(trial.overlap.value <= 1);
    }
    CHECK(r.chosen().overlap.value == 1);
    CHECK(r.trials[4].counts.losses == 1 + r.groups.group_count());
    CHECK(r.trials[5].counts.losses == 1 + 2 * r.groups.group_count());
}

TEST_CASE("each method says what its scores were made of and how sure they are")
{
    const tiny::made_model made = tiny::make_model(tiny::llama);
    transformer<double> t{made.m, tiny::llama, tiny::make_tokens(14, tiny::llama.vocabulary_size), {.batch_size = 1}};
    prune_sources sources;
    sources.calibrate_with(t);
    study_pruning_options options{.methods = methods({"ablation", "magnitude", "taylor", "taylor_2nd", "mixed", "screening", "auto", "random"}),
                                  .curvature = curvature_input::fisher,
                                  .seed = 5};
    options.groups.head_size = tiny::llama.head_size;
    options.selection.ratio = 0.2;
    const prune_result r = study_pruning(made.m, sources, options);
    const prune_evidence& ablation = r.trials[0].evidence;
    CHECK(ablation.comparison == "global");
    CHECK(ablation.normalisation == "importance / parameters");
    CHECK(ablation.source == "evaluator");
    CHECK(ablation.batches == 2);
    CHECK(ablation.samples == 2);
    // of a group by hand: two batches, each with itself
    const group_scores_result& scores = r.trials[0].scores;
    REQUIRE(scores.standard_errors.size() == r.groups.group_count());
    const loss_value base[2] = {t.loss(0), t.loss(1)};
    const weight_group gate = gate_of(r.groups, r.groups.places()[3], t.weights());
    loss_value changed[2];
    {
        weight_patch patch(t);
        for (const weight_slice& slice : gate.slices)
            for (std::size_t i = 0; i < slice.count; ++i) {
                const double zero = 0;
                patch.write(slice.tensor, sizeof zero * (slice.first + i * slice.stride), std::as_bytes(std::span(&zero, 1)));
            }
        for (const std::size_t b : {0, 1})
            changed[b] = t.loss(b);
    }
    const double count = base[0].count + base[1].count, mean = (changed[0].sum - base[0].sum + changed[1].sum - base[1].sum) / count;
    CHECK(scores.importance[3] == Approx(mean).epsilon(1e-9));
    double squares = 0;
    for (const std::size_t b : {0, 1})
        squares += std::pow(changed[b].sum - base[b].sum - mean * base[b].count, 2);
    CHECK(scores.standard_errors[3] == Approx(std::sqrt(2 * squares) / count).epsilon(1e-9));
    double errors = 0, all = 0;
    for (std::size_t g = 0; g < scores.importance.size(); ++g) {
        errors += scores.standard_errors[g] * scores.standard_errors[g];
        all += scores.importance[g] * scores.importance[g];
    }
    CHECK(ablation.relative_standard_error.value == Approx(std::sqrt(errors / all)));

    const prune_evidence& magnitude = r.trials[1].evidence;
    CHECK(magnitude.source.empty());
    CHECK(magnitude.batches == 0);
    CHECK(magnitude.relative_standard_error.reason == "the inputs have no standard errors");
    for (const std::size_t k : {2, 3}) {  // Taylor: samples show errors of gradients and of their squares
        CHECK(r.trials[k].evidence.source == "evaluator");
        CHECK(r.trials[k].evidence.samples == 2);
        CHECK(r.trials[k].evidence.relative_standard_error.value > 0);
        CHECK(r.trials[k].scores.standard_errors.empty());
    }
    CHECK(r.trials[4].evidence.normalisation == "parts / mean, importance / parameters");
    std::size_t measured = 0;
    for (const double e : r.trials[5].scores.standard_errors)
        measured += e == e ? 1 : 0;
    CHECK(measured > 0);
    CHECK(measured < r.groups.group_count());
    CHECK(r.trials[6].evidence.relative_standard_error.reason == "the parts are scored by methods of their own");
    CHECK(r.trials[7].evidence.relative_standard_error.reason == "the scores have no standard errors");

    options.unit = prune_unit::nm;
    options.methods = methods({"taylor", "mixed"});
    const prune_result blocks = study_pruning(made.m, sources, options);
    CHECK(blocks.chosen().evidence.comparison == "keep=2,of=4");
    CHECK(blocks.chosen().evidence.normalisation == "none");
    CHECK(blocks.chosen().evidence.batches == 2);
    CHECK(blocks.trials[1].evidence.normalisation == "parts / mean");
    options.unit = prune_unit::weight;
    CHECK(study_pruning(made.m, sources, options).chosen().evidence.comparison == "tensor");
    options.unit = prune_unit::global;
    options.methods = methods({"taylor_2nd"});
    const prune_evidence global = study_pruning(made.m, sources, options).chosen().evidence;
    CHECK(global.comparison == "global");
    CHECK(global.relative_standard_error.value > 0);
    // one batch has no spread
    transformer<double> whole{made.m, tiny::llama, tiny::make_tokens(14, tiny::llama.vocabulary_size)};
    prune_sources one;
    one.calibrate_with(whole);
    options.unit = prune_unit::group;
    options.methods = methods({"ablation"});
    const prune_result single = study_pruning(made.m, one, options);
    CHECK(single.chosen().evidence.relative_standard_error.reason == "there is one batch");
    CHECK(single.chosen().scores.standard_errors.empty());
}

TEST_CASE("experts in one tensor, as GGUF has them, are scored and chosen as those with tensors of their own")
{
    const tiny::made_model made = tiny::make_model(tiny::mixtral);
    const files::temporary_folder folder;
    const model stacked = read_gguf(files::write(folder / "m.gguf", gguf_models::gguf_of(made.m, tiny::mixtral, "llama").content()));
    const token_rows tokens = tiny::make_tokens(20, tiny::mixtral.vocabulary_size);
    transformer<double> of_apart(made.m, tiny::mixtral, tokens), of_stacked(stacked, read_transformer_config(stacked), tokens);
    study_pruning_options options{.methods = methods({"ablation", "magnitude", "taylor", "wanda"})};
    options.groups.kinds = {group_kind::expert};
    options.groups.head_size = tiny::mixtral.head_size;
    options.groups.experts_per_token = tiny::mixtral.experts_per_token;
    options.selection.ratio = 0.15;
    const auto study = [&](const model& m, transformer<double>& t) {
        prune_sources sources;
        sources.calibrate_with(t);
        sources.measure_with(t);
        return study_pruning(m, sources, options);
    };
    const prune_result apart = study(made.m, of_apart), found = study(stacked, of_stacked);
    REQUIRE(found.groups.group_count() == 8);
    CHECK(found.prunable_parameters == apart.prunable_parameters);
    for (std::size_t k = 0; k < found.trials.size(); ++k) {
        INFO(found.trials[k].method);
        for (std::size_t g = 0; g < 8; ++g)  // numbers of the configuration are floats in the file
            CHECK(found.trials[k].scores.importance[g] == Approx(apart.trials[k].scores.importance[g]).epsilon(1e-5).margin(1e-9));
        CHECK(found.trials[k].removed_parameters == apart.trials[k].removed_parameters);
        CHECK(found.trials[k].selection.removed == apart.trials[k].selection.removed);
        CHECK(found.trials[k].after.loss.value == Approx(apart.trials[k].after.loss.value).epsilon(1e-6));
    }
    CHECK_FALSE(found.chosen().selection.removed.empty());
    // what is removed as zeros is what a smaller model is without
    const auto& removed = found.chosen().selection.removed;
    const sliced_model smaller = slice_model(stacked, found.groups, removed);
    transformer<double> t(smaller.smaller, slice_config(read_transformer_config(stacked), found.groups, removed), tokens);
    CHECK(t.loss(0).mean() == Approx(found.chosen().after.loss.value).epsilon(1e-9));

    // weights: each row of each expert is a row
    options.unit = prune_unit::row;
    options.methods = methods({"wanda", "magnitude"});
    options.selection.ratio = 0.4;
    const prune_result rows = study(made.m, of_apart), of_stacks = study(stacked, of_stacked);
    CHECK(of_stacks.chosen().removed_parameters == rows.chosen().removed_parameters);
    const std::size_t stack = tiny::tensor_number(of_stacked.weights(), "blk.1.ffn_up_exps.weight");
    const auto place = [](const model& m, std::string_view name) {
        return static_cast<std::size_t>(std::find_if(m.tensors.begin(), m.tensors.end(), [&](const auto& each) { return each.name == name; }) - m.tensors.begin());
    };
    const weight_mask& of_stack = of_stacks.chosen().masks[place(stacked, "blk.1.ffn_up_exps.weight")];
    const std::size_t size = of_stacked.weights()[stack].size() / 4;
    REQUIRE(of_stack.size() == 4 * size);
    for (std::size_t e = 0; e < 4; ++e) {
        const weight_mask& own = rows.chosen().masks[place(made.m, "model.layers.1.block_sparse_moe.experts." + std::to_string(e) + ".w3.weight")];
        std::size_t different = 0;
        for (std::size_t i = 0; i < size; ++i)
            different += own.removed(i) != of_stack.removed(e * size + i) ? 1 : 0;
        CHECK(different == 0);
    }
}

TEST_CASE("removing one group for real is what ablation foretells, and validation says so")
{
    tiny_study s;
    study_pruning_options options{.methods = methods({"ablation", "auto"}), .validate = 20};
    options.selection.ratio = 0.15;
    const prune_result r = s.run(options);
    const validation_result& exact = r.chosen().validation.at(0).result;
    CHECK(exact.spearman.value.value == 1);
    CHECK(exact.calibration_slope.value.value == Approx(1).epsilon(1e-9));
    // auto: five candidates for attention and five for the feed-forward part, one of each chosen, and none has a better rank
    const prune_trial& automatic = r.trials[1];
    REQUIRE(automatic.validation.size() == 10);
    for (const char* part : {"attention", "feed-forward"}) {
        double chosen = -2, best = -2;
        for (const prune_validation& v : automatic.validation)
            if (v.part == part) {
                best = std::max(best, v.result.spearman.value.value);
                chosen = v.chosen ? v.result.spearman.value.value : chosen;
            }
        CHECK(chosen == best);
    }
}

TEST_CASE("single weights go where their scores are lowest, within a matrix, a row, a block or all")
{
    tiny_study s;
    for (const prune_unit unit : {prune_unit::weight, prune_unit::row, prune_unit::nm, prune_unit::global}) {
        study_pruning_options options{.methods = methods({"magnitude", "wanda", "taylor_2nd_signed"}), .unit = unit, .nm = {.tail = tail_policy::share}};
        options.selection.ratio = 0.5;
        options.selection.freeze_first = 1;
        const prune_result r = s.run(options);
        CHECK(r.matrices.size() == 7);
        for (const prune_trial& trial : r.trials) {
            CHECK(trial.actual_ratio == Approx(0.5));
            CHECK(trial.after.loss.value != r.before.loss.value);
            for (std::size_t t = 0; t < s.made.m.tensors.size(); ++t) {
                const bool listed = std::find(r.matrices.begin(), r.matrices.end(), t) != r.matrices.end();
                CHECK((trial.masks[t].removed_count() > 0) == listed);
            }
        }
        // magnitude per matrix: no weight that stays is smaller than one that goes
        if (unit != prune_unit::weight)
            continue;
        const named_tensor& w = s.made.m.tensors[r.matrices[2]];
        const double* values = reinterpret_cast<const double*>(w.bytes.data());
        double most_removed = 0, least_kept = 1e9;
        for (std::size_t i = 0; i < w.size(); ++i)
            (r.chosen().masks[r.matrices[2]].removed(i) ? most_removed = std::max(most_removed, std::abs(values[i]))
                                                        : least_kept = std::min(least_kept, std::abs(values[i])));
        CHECK(most_removed <= least_kept);
    }
}

TEST_CASE("a vectorised first order is the directional derivative of the whole group")
{
    tiny_study s;
    study_pruning_options options{.methods = methods({"taylor"}), .group_scores = {.reduction = group_reduction::vectorised, .per_parameter = false}};
    options.selection.ratio = 0.1;
    const prune_result r = s.run(options);
    // (L((1+h) w_S) - L((1-h) w_S)) / 2h over all weights of the group
    const group_family& family = r.groups.families[1];
    const double h = 1e-5;
    double losses[2];
    for (int sign = 0; sign < 2; ++sign) {
        weight_patch patch(s.t);
        for (const group_region& region : family.regions(4)) {
            const named_tensor& tensor = s.made.m.tensors[region.tensor];
            std::vector<double> values(tensor.size());
            s.t.read(region.tensor, 0, std::as_writable_bytes(std::span(values)));
            const std::size_t cols = tensor.shape.back(), rows = tensor.size() / cols;
            for (std::size_t i = 0; i < rows; ++i)
                for (std::size_t k = 0; k < cols; ++k)
                    if ((region.axis == 0 ? i : k) == region.first)
                        values[i * cols + k] *= 1 + (sign == 0 ? h : -h);
            patch.write(region.tensor, 0, std::as_bytes(std::span<const double>(values)));
        }
        losses[sign] = s.t.loss(0).mean();
    }
    CHECK(r.chosen().scores.importance[2 + 4] == Approx(std::abs(losses[0] - losses[1]) / (2 * h)).epsilon(1e-6));
    CHECK(r.chosen().formula == "|Σ w g|");
}

TEST_CASE("the plan is what the study asks of the evaluator")
{
    tiny_study s;
    study_pruning_options options{.methods = methods({"taylor", "wanda", "ablation"})};
    options.groups.head_size = tiny::llama.head_size;
    const prune_plan plan = plan_pruning(s.made.m, s.sources, options);
    CHECK(plan.observations == 1);
    CHECK(plan.counts.gradients == 1);
    CHECK(plan.counts.losses >= 1 + 2 * (2 + 20));
    CHECK(plan.seconds > 0);
    CHECK(plan.memory_bytes > 0);
    CHECK(plan.lines.size() == 4);
}

TEST_CASE("screening measures few groups, as its plan says, and puts those it measured first")
{
    tiny_study s;
    study_pruning_options options{.methods = methods({"screening:magnitude", "ablation"})};
    options.selection.ratio = 0.05;
    options.groups.head_size = tiny::llama.head_size;
    const prune_plan plan = plan_pruning(s.made.m, s.sources, options);
    const prune_result r = study_pruning(s.made.m, s.sources, options);
    const prune_trial &screened = r.trials[0], &exact = r.trials[1];
    CHECK(screened.counts.losses < exact.counts.losses);
    CHECK_THAT(plan.lines.at(0), Catch::Matchers::StartsWith("screening:magnitude: "));
    CHECK_THAT(plan.lines.at(0), Catch::Matchers::Contains(", " + std::to_string(screened.counts.losses) + " losses of a batch, about "));
    const std::vector<double>& scores = screened.scores.scores;
    const auto first = static_cast<std::size_t>(std::min_element(scores.begin(), scores.end()) - scores.begin());
    CHECK(screened.scores.importance[first] == exact.scores.importance[first]);
    CHECK_THAT(screened.formula, Catch::Matchers::StartsWith("L(w = 0) - L(w) over the rows that shut the group, for "));
    CHECK(screened.unscored_count == 0);
}

TEST_CASE("a curvature that is lost in its error leaves the first order")
{
    tiny_study s;
    study_pruning_options options{.methods = methods({"taylor_2nd", "taylor"}), .resolution = 1e9};
    options.selection.ratio = 0.1;
    const prune_result r = s.run(options);
    for (std::size_t g = 0; g < r.groups.group_count(); ++g)
        CHECK(r.trials[0].scores.importance[g] == Approx(r.trials[1].scores.importance[g]).epsilon(1e-12));
    CHECK(r.trials[0].formula == "Σ |w g| + w² |h| / 2, h = 0 below 1e+09 standard errors");
}

TEST_CASE("methods that lack what they need say so")
{
    const tiny::made_model made = tiny::make_model(tiny::llama);
    const prune_sources nothing;
    const auto refused = [&](study_pruning_options options) {
        options.groups.head_size = tiny::llama.head_size;
        return message<std::invalid_argument>([&] { (void)study_pruning(made.m, nothing, options); }).substr(53);
    };
    CHECK(refused({.methods = methods({"taylor_2nd", "wanda"})})
          == "the methods need gradients, the curvature, the inputs of layers; give data or an evaluator to collect them from, or files that have them");
    CHECK(refused({.methods = methods({"ablation"})}) == "ablation measures losses; give data or an evaluator");
    CHECK(refused({.methods = methods({"auto"})}) == "auto removes a sample for real to choose; give data or an evaluator");
    CHECK(refused({.validate = 10}) == "validation removes a sample for real; give data or an evaluator");
    study_pruning_options budget{.unit = prune_unit::row};
    budget.selection.bytes = 5;
    CHECK(refused(budget) == "a budget of parameters or bytes is for groups; single weights leave the model as large as it is, give a ratio");
    study_pruning_options names{.names = {.include = {"nothing"}}};
    CHECK(refused(names) == "all groups are frozen or left out by name");
    const prune_result r = [&] {
        study_pruning_options options;
        options.groups.head_size = tiny::llama.head_size;
        return study_pruning(made.m, nothing, options);
    }();
    CHECK(r.before.loss.reason == "no evaluator");
    CHECK(r.chosen().actual_ratio >= 0.25);
}
