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
    r.trials = {{.flip = flip(5, 10, 1, 2), .weight_score = 7, .candidate = 1, .outcome = bit_trial_outcome::finite, .values = {0.2, 0.5}, .deltas = {0.1, -0.5}},
                {.flip = flip(5, 11, 1, 4), .weight_score = 7, .candidate = 1, .outcome = bit_trial_outcome::finite, .values = {0.4, 0.75}, .deltas = {0.1 + 0.2, -0.25}},
                {.flip = flip(6, 10, 1, 2), .weight_score = none, .candidate = 4, .tensor = 2, .outcome = bit_trial_outcome::nan_loss, .values = {none, 0}, .deltas = {none, -1}},
                {.flip = flip(6, 14, 1, none), .weight_score = none, .candidate = 4, .tensor = 2, .outcome = bit_trial_outcome::non_finite_value}};
    r.ranked = {{.flip = flip(5, 11, 1, 4), .step = 1, .delta = 0.1 + 0.2, .before = 0.1, .after = 0.4},
                {.flip = flip(6, 10, 1, 2), .step = 2, .delta = none, .before = 0.1, .after = none, .outcome = bit_trial_outcome::nan_loss}};
    r.plan = {flip(5, 11, 1, 4)};
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
    REQUIRE(plan.flips.size() == 1);
    CHECK(plan.model == "m.gguf");
    CHECK(plan.flips[0].bit == 11);
    CHECK(*plan.flips[0].new_code == 0x3400);
    CHECK(read_bit_plan(file, "ranked").flips.size() == 2);
}

TEST_CASE("tables and texts tell the flips that move each figure most")
{
    CHECK(to_csv(made_up())
          == "metric,rank,group_rank,model,model_group,name,layer_key,layer_id,bit,flat,weight_score,metric_delta,metric_value\n"
             "loss,1,1,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,11,5,7,0.30000000000000004,0.4\n"
             "loss,2,2,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,10,5,7,0.1,0.2\n"
             "accuracy,1,1,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,10,5,7,-0.5,0.5\n"
             "accuracy,2,2,,\"layers.*.w, \"\"x\"\"\",\"layers.3.w, \"\"x\"\"\",layers.3,3,11,5,7,-0.25,0.75\n");
    const std::string text = to_console(made_up(), 100, 1);
    CHECK(text.find("unchanged model: loss 0.1, accuracy 1, speed -\n3 flips of 2 weights run in 1.5 s: 2 finite, 1 nan_loss, 1 non_finite_value\n") == 0);
    CHECK(text.find("and 1 more\n") != std::string::npos);
}

TEST_CASE("chosen weights are read again, and tell what was not known")
{
    const files::temporary_folder folder;
    bit_selection s{.candidates = {{.name = "a", .flat = 3, .score = 0.1 + 0.2, .value = 2, .bit = 14, .gradient = 0.5, .outside_taylor = {13, 15}},
                                   {.name = "b", .flat = 0, .score = none, .value = -1, .drawn = true}},
                    .method = bit_method::flip_aware,
                    .bits = "exponent"};
    const auto file = files::write(folder / "s.json", to_text(to_json(s, {}, {.model = "m", .format = "f"})));
    const std::vector<bit_candidate> read = read_bit_candidates(file);
    REQUIRE(read.size() == 2);
    CHECK(read[0].name == "a");
    CHECK(read[0].flat == 3);
    CHECK(read[0].score == 0.1 + 0.2);
    CHECK(std::isnan(read[1].score));
    CHECK(to_csv(s)
          == "name,flat,score,bit,value,gradient,curvature,outside_taylor,drawn\n"
             "a,3,0.30000000000000004,14,2,0.5,,13 15,0\n"
             "b,0,,,-1,,,,1\n");
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
