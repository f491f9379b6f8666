// Rankings of flips as files: what is written is read again, by those who merge and by those who flip.
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <weightscope/io/bit_plan.hpp>
#include <weightscope/report/bit_candidates_reader.hpp>
#include <weightscope/report/bit_ranking_console.hpp>
#include <weightscope/report/bit_ranking_csv.hpp>
#include <weightscope/report/bit_ranking_json.hpp>
#include <weightscope/report/bit_ranking_reader.hpp>
#include <weightscope/report/bit_selection_csv.hpp>
#include <weightscope/report/bit_selection_json.hpp>
#include <weightscope/report/bit_selection_reader.hpp>
#include <weightscope/scorers/bit_ranking_result.hpp>

#include "../catch.hpp"
#include "../io/files.hpp"

using namespace weightscope;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

planned_flip flip(std::size_t flat, unsigned bit, double old_value, double new_value)
{
    return {.name = "layers.3.w, \"x\"",
            .flat = flat,
            .bit = bit,
            .old_code = 0x3c00,
            .new_code = 0x3c00 ^ (1u << bit),
            .old_value = old_value,
            .new_value = new_value};
}

// Four flips of two weights: up by 0.1 and 0.3, to NaN, and one that was not run.
bit_ranking made_up()
{
    bit_ranking r{.metrics = {"loss", "accuracy"}, .maximized = true, .start = 0.1, .best = 0.1 + 0.3};
    r.baseline = {{"loss", false, 0.1}, {"accuracy", true, 1.0}, {"speed", true, metric::missing("nothing was counted")}};
    r.options.bits = "exponent";
    r.options.search = bit_search::independent;
    r.options.metrics = {"accuracy"};
    r.options.top_b = 2;
    r.options.shard = 1;
    r.options.shard_count = 3;
    r.options.after = {flip(9, 3, 1, 1.5)};
    r.trials = {{.flip = flip(5, 10, 1, 2), .weight_score = 7, .candidate = 1, .outcome = bit_trial_outcome::finite, .values = {0.2, 0.5}, .deltas = {0.1, -0.5}},
                {.flip = flip(5, 11, 1, 4), .weight_score = 7, .candidate = 1, .outcome = bit_trial_outcome::finite, .values = {0.4, 0.75}, .deltas = {0.1 + 0.2, -0.25}},
                {.flip = flip(6, 10, 1, 2), .weight_score = none, .candidate = 4, .tensor = 2, .outcome = bit_trial_outcome::nan_loss, .values = {none, 0}, .deltas = {none, -1}},
                {.flip = flip(6, 14, 1, none), .weight_score = none, .candidate = 4, .tensor = 2, .outcome = bit_trial_outcome::non_finite_value}};
    r.ranked = {{.flip = flip(5, 11, 1, 4), .step = 1, .delta = 0.1 + 0.2, .before = 0.1, .after = 0.4},
                {.flip = flip(6, 10, 1, 2), .step = 2, .delta = none, .before = 0.1, .after = none, .outcome = bit_trial_outcome::nan_loss}};
    r.plan = {flip(9, 3, 1, 1.5), flip(5, 11, 1, 4)};
    r.outcomes = {2, 1, 0, 1, 0};
    r.candidate_count = 2;
    r.all_candidate_count = 6;
    r.evaluations = 3;
    r.fingerprint = "0123456789abcdef";
    r.counts = {.losses = 4, .measures = 4};
    r.seconds = 1.5;
    return r;
}

}  // namespace

TEST_CASE("a saved ranking is read as it was, and its plan is one that flips can be made from")
{
    const files::temporary_folder folder;
    const bit_report_context context = {.model = "m.gguf", .format = "GGUF", .restricted = {"a"}, .num_val_batches = 2, .eval_seq_len = 9, .weights_file = "w.json", .notes = {"n"}};
    const std::string text = to_text(to_json(made_up(), context));
    CHECK(text.find("NaN") == std::string::npos);
    const auto file = files::write(folder / "r.json", text);
    const saved_bit_ranking saved = read_bit_ranking(file);
    CHECK(to_text(to_json(saved.ranking, saved.context)) != text);  // ranked and plan are made anew by a merge, and are not read
    bit_ranking again = saved.ranking;
    again.ranked = made_up().ranked;
    again.plan = made_up().plan;
    CHECK(to_text(to_json(again, saved.context)) == text);
    CHECK(saved.ranking.trials[1].deltas[0] == 0.1 + 0.2);
    CHECK(std::isnan(saved.ranking.trials[2].values[0]));
    CHECK(saved.ranking.trials[3].values.empty());

    const bit_plan plan = read_bit_plan(file);
    REQUIRE(plan.flips.size() == 2);
    CHECK(plan.model == "m.gguf");
    CHECK(plan.flips[0].bit == 3);
    CHECK(plan.flips[1].bit == 11);
    CHECK(*plan.flips[1].new_code == 0x3400);
    CHECK_FALSE(saved.share);
    CHECK(read_bit_plan(file, "ranked").flips.size() == 2);
}

TEST_CASE("what the plan does to the model stands in its own part of the file, and under the tables")
{
    bit_ranking r = made_up();
    model_quality before, after;
    before.loss = 0.1;
    before.figures = {{"accuracy", true, 1.0}};
    after.loss = 2.5e7;
    after.loss_change = 2.5e7 - 0.1;
    after.loss_change_error = metric::missing("one batch");
    after.outputs = {.mae = 0.5, .rmse = 0.75, .psnr_db = 20.0, .cosine = 0.25, .kl_divergence = 1.5, .top1_agreement = 0.125};
    r.quality = {.before = before, .after = {after, before, after}, .batches = 3, .counts = {.losses = 12, .outputs = 9}, .seconds = 2};
    const auto json = to_json(r, {});
    CHECK(json["quality"]["batches"] == 3);
    CHECK(json["quality"]["outputs"] == 9);
    CHECK(json["quality"]["before"]["figures"][0]["name"] == "accuracy");
    const auto& plan = json["quality"]["plan"];
    CHECK(plan["outputs_mae"] == 0.5);
    CHECK(plan["outputs_rmse"] == 0.75);
    CHECK(plan["outputs_psnr_db"] == 20.0);
    CHECK(plan["outputs_cosine_similarity"] == 0.25);
    CHECK(plan["kl_divergence"] == 1.5);
    CHECK(plan["top1_agreement"] == 0.125);
    CHECK(json["ranked"][0]["quality"]["loss"] == 0.1);
    CHECK(json["ranked"][1]["quality"] == plan);
    CHECK_FALSE(to_json(made_up(), {}).contains("quality"));

    const std::string text = to_console(r, 160);
    CHECK(text.find("measured on 3 batches") != std::string::npos);
    CHECK(text.find(" 2.5e+07 ") != std::string::npos);
    CHECK(text.find(" +2.5e+07 ") != std::string::npos);
    CHECK(text.find("12.50 %") != std::string::npos);
    CHECK(text.find("rank 2 alone") != std::string::npos);
    CHECK(to_console(r, 160, 1).find("rank 2 alone") == std::string::npos);
    r.options.search = bit_search::progressive;
    CHECK(to_console(r, 160).find("after step 2") != std::string::npos);
}

TEST_CASE("tables and texts tell the flips that move each figure most")
{
    CHECK(to_csv(made_up())
          == "metric,rank,group_rank,model,model_group,name,layer_key,layer_id,bit,flat,weight_score,metric_delta,metric_value,part\n"
             "loss,1,1,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,11,5,7,0.30000000000000004,0.4,code\n"
             "loss,2,2,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,10,5,7,0.1,0.2,code\n"
             "accuracy,1,1,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,10,5,7,-0.5,0.5,code\n"
             "accuracy,2,2,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,11,5,7,-0.25,0.75,code\n");
    const std::string text = to_console(made_up(), 100, 1);
    CHECK(text.find("with 1 flips made first: loss 0.1, accuracy 1, speed -\n3 flips of 2 weights run in 1.5 s: 2 finite, 1 nan_loss, 1 non_finite_value\n") == 0);
    CHECK(text.find("and 1 more\n") != std::string::npos);
}

TEST_CASE("chosen weights are read again, and tell what was not known")
{
    const files::temporary_folder folder;
    bit_selection s{.candidates = {{.name = "a", .flat = 3, .score = 0.1 + 0.2, .value = 2, .bit = 14, .gradient = 0.5, .outside_taylor = {13, 15}},
                                   {.name = "b", .flat = 0, .score = none, .value = -1, .drawn = true, .part = "scale", .tensor = 1}},
                    .method = bit_method::flip_aware,
                    .bits = "exponent"};
    const auto file = files::write(folder / "s.json", to_text(to_json(s, {}, {.model = "m", .format = "f"})));
    const std::vector<bit_candidate> read = read_bit_candidates(file);
    REQUIRE(read.size() == 2);
    CHECK(read[0].name == "a");
    CHECK(read[0].flat == 3);
    CHECK(read[0].score == 0.1 + 0.2);
    CHECK(std::isnan(read[1].score));
    CHECK(read[0].part == "code");
    CHECK(read[1].part == "scale");
    CHECK(to_csv(s)
          == "name,flat,score,bit,value,gradient,curvature,outside_taylor,drawn,part\n"
             "a,3,0.30000000000000004,14,2,0.5,,13 15,0,code\n"
             "b,0,,,-1,,,,1,scale\n");
}

TEST_CASE("a saved choice is read with its options")
{
    const files::temporary_folder folder;
    const bit_selection s{.candidates = {{.name = "a", .flat = 3, .score = 0.1 + 0.2, .value = 2, .bit = 14, .gradient = 0.5, .outside_taylor = {13, 15}, .part = "sub_min", .tensor = 4},
                                         {.name = "b", .flat = 0, .score = none, .value = -1, .drawn = true}},
                          .method = bit_method::flip_aware,
                          .bits = "exponent",
                          .tensor_count = 2,
                          .weight_count = 100,
                          .sampled_count = 20,
                          .unscored_count = 1,
                          .flips = {.inside = 1, .outside = 2, .non_finite = 3, .unchanged = 4},
                          .gradient_source = "differences",
                          .passed_over = {"c (I32): x"},
                          .counts = {.losses = 21},
                          .seconds = 0.25};
    const select_bits_options options = {.bits = "exponent", .per_tensor_k = 3, .top_w = 7, .oversample = 5, .sample_all_weights = true, .allow_bias = true,
                                         .trust_radius = 2, .curvature = true, .step = 0.5, .parts = {"code", "sub_min"}, .shard = 1, .shard_count = 2};
    const bit_report_context context = {.model = "m", .format = "f", .restricted = {"r"}, .num_val_batches = 1, .eval_seq_len = 2, .notes = {"n"}};
    const std::string text = to_text(to_json(s, options, context));
    const auto file = files::write(folder / "s.json", text);
    const saved_bit_selection saved = read_bit_selection(file);
    CHECK(to_text(to_json(saved.selection, saved.options, saved.context)) == text);
    CHECK(saved.selection.candidates[0].part == "sub_min");
    CHECK(saved.selection.candidates[0].tensor == 4);
    CHECK(saved.options.shard_count == 2);
    nlohmann::ordered_json document = to_json(s, options, context);
    document["candidates"][1].erase("bit");
    const auto broken = files::write(folder / "broken.json", document.dump());
    CHECK(files::message<io_error>([&] { (void)read_bit_selection(broken); }) == broken.string() + ": candidates[1].bit: is missing; choose the weights again");
}

TEST_CASE("a saved sample is read with what its shares are made of")
{
    const files::temporary_folder folder;
    failing_share_result r{.population = 500, .samples = 4, .ranking = made_up()};
    r.ranking.options.after.clear();
    r.strata = {{.kind = "layers.*.w", .bit = 10, .failing = {.population = 500, .sample = 4, .hits = 2}, .crash_count = 1, .part = "scale"}};
    r.options.threshold = 0.25;
    r.options.confidence = 0.9;
    r.options.samples = 6;
    r.options.parts = {"scale"};
    r.options.evaluation.seed = 17;
    r.passed_over = {"c (I32): x"};
    const auto file = files::write(folder / "sample.json", to_text(to_json(r, {.model = "m"})));
    const saved_bit_ranking saved = read_bit_ranking(file);
    REQUIRE(saved.share);
    CHECK(saved.share->population == 500);
    CHECK(saved.share->samples == 4);
    CHECK(saved.share->options.threshold == 0.25);
    CHECK(saved.share->options.confidence == 0.9);
    CHECK(saved.share->options.samples == 6);
    CHECK(saved.share->options.parts == std::vector<std::string>{"scale"});
    CHECK(saved.share->options.evaluation.seed == 17);
    CHECK(saved.share->options.shard == 1);
    CHECK(saved.share->passed_over == r.passed_over);
    CHECK(saved.share->ranking.trials.size() == 4);
    REQUIRE(saved.share->strata.size() == 1);
    CHECK(saved.share->strata[0].part == "scale");
    CHECK(saved.share->strata[0].failing.hits == 2);
    CHECK(saved.share->strata[0].crash_count == 1);
    CHECK(to_console(r).find("layers.*.w scale") != std::string::npos);
}

TEST_CASE("files that are no rankings are told")
{
    const files::temporary_folder folder;
    const auto message = [&](const std::string& text, auto&& read) {
        const auto file = files::write(folder / "x.json", text);
        try {
            (void)read(file);
        } catch (const io_error& error) {
            return std::string(error.what()).substr(file.string().size() + 2);
        }
        return std::string();
    };
    const auto ranking = [&](const std::string& text) { return message(text, [](const auto& file) { return read_bit_ranking(file).ranking.start; }); };
    const auto candidates = [&](const std::string& text) { return message(text, [](const auto& file) { return read_bit_candidates(file).size(); }); };
    CHECK(ranking("{}") == "schema: is not weightscope/bits_rank/1; give a file that bits rank wrote");
    CHECK(ranking(R"({"schema": "weightscope/bits_rank/1"})")
          == "all_records: is missing, which putting shards together needs; rank with --shard or --save-all-records");
    CHECK(ranking(R"({"schema": "weightscope/bits_rank/1", "all_records": []})") == "meta: is missing; rank the flips again");
    nlohmann::ordered_json document = to_json(made_up(), {});
    document["all_records"][1]["outcome"] = "bad";
    CHECK(ranking(document.dump()) == "all_records[1].outcome: is none that is known; rank the flips again");
    document = to_json(made_up(), {});
    document["meta"]["top_b"] = -1;
    CHECK(ranking(document.dump()) == "top_b: is no whole number of 0 or more; rank the flips again");
    CHECK(candidates("{}") == "candidates: there is no such list, expected one of entries with name and flat, as bits select writes it");
    CHECK(candidates(R"({"candidates": []})") == "candidates: the list is empty; there is nothing to rank");
    CHECK(candidates(R"({"candidates": [{"flat": 1}]})") == "candidates[0]: has no name of a tensor; choose the weights again");
    CHECK(candidates(R"({"candidates": [{"name": "a", "flat": -1}]})") == "candidates[0]: has no flat, a whole number of 0 or more; choose the weights again");
}
