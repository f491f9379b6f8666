#include "evaluator_arguments.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/evaluators/self_test.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/tokenizer.hpp>
#include <weightscope/scorers/calibration.hpp>
#include <weightscope/scorers/group_blocks.hpp>

#include "arguments.hpp"
#include "command.hpp"
#include "terminal.hpp"

namespace ws = weightscope;
namespace fs = std::filesystem;

namespace {

ws::transformer_config config_of(const ws::model& m)
{
    if (ws::has_gguf_names(m))
        return ws::read_transformer_config(m);
    const auto path = ws::detail::find_config(m);
    if (!path)
        throw usage_error(fmt::format("{}: no config.json lies beside the weights, which running the model needs; use --evaluator", m.path.string()));
    return ws::read_transformer_config(*path);
}

ws::token_rows read_rows(const evaluator_arguments& a, const ws::model& m, std::size_t length)
{
    if (!a.data.empty())
        return ws::read_tokens(a.data, {.length = length});
    std::ifstream file(a.text, std::ios::binary);
    if (!file)
        throw ws::io_error(a.text, std::nullopt, {}, "cannot be read; check the path");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::error_code error;
    const fs::path folder = fs::is_directory(m.path, error) ? m.path : m.path.parent_path();
    return ws::cut_tokens(ws::read_tokenizer(folder / "tokenizer.json").encode(text), length);
}

// Rows that were not drawn and say something new; at most `count`.
ws::token_rows other_rows(const ws::token_rows& rows, const std::vector<std::size_t>& drawn, std::size_t count)
{
    const ws::repeated_rows_result repeated = ws::detect_repeated_rows(rows, {.overlap = 0});
    ws::token_rows result{.tokens = {}, .rows = 0, .length = rows.length};
    for (std::size_t r = 0; r < rows.rows && result.rows < count; ++r)
        if (!std::binary_search(drawn.begin(), drawn.end(), r)
            && !std::binary_search(repeated.repeated_rows.begin(), repeated.repeated_rows.end(), r)) {
            const auto begin = rows.tokens.begin() + static_cast<std::ptrdiff_t>(r * rows.length);
            result.tokens.insert(result.tokens.end(), begin, begin + static_cast<std::ptrdiff_t>(rows.length));
            ++result.rows;
        }
    return result;
}

ws::transformer_options transformer_options_of(const evaluator_arguments& a)
{
    ws::transformer_options how{.batch_size = a.batch_size, .predict_after = a.predict_after};
    if (a.rope != "config")
        how.rope = a.rope == "interleaved" ? ws::rope_layout::interleaved : ws::rope_layout::half_split;
    return how;
}

struct split_rows
{
    ws::token_rows to_score = {}, to_measure = {};
    std::string fingerprint = {};
};

split_rows split(const evaluator_arguments& a, const ws::token_rows& rows, std::size_t length, std::uint64_t seed, std::vector<std::string>& notes)
{
    ws::calibration_result drawn = ws::select_calibration(rows, {.samples = a.num_samples, .seed = seed});
    split_rows result{.fingerprint = drawn.fingerprint};
    result.to_measure = a.eval_data.empty() ? other_rows(rows, drawn.chosen, a.eval_samples) : ws::read_tokens(a.eval_data, {.length = length});
    if (result.to_measure.rows == 0) {
        result.to_measure = drawn.rows;
        notes.push_back(fmt::format("all {} rows of tokens calibrate: losses are measured on them too; take fewer with --num-samples, or give "
                                    "--eval-data",
                                    rows.rows));
    }
    if (drawn.repeated_count > 0)
        notes.push_back(fmt::format("{} rows of tokens were left out, because others are equal to them", drawn.repeated_count));
    if (drawn.overlapping_count > 0)
        notes.push_back(fmt::format("{} of the rows that calibrate share 32 tokens in a row with another one", drawn.overlapping_count));
    notes.push_back(fmt::format("scores are from {} rows ({} tokens), losses from {} other rows", drawn.rows.rows, drawn.tokens, result.to_measure.rows));
    result.to_score = std::move(drawn.rows);
    return result;
}

// What the first batch shows of the evaluator, as notes.
template <class E>
void test_first(E& evaluator, std::vector<std::string>& notes)
{
    const ws::self_test_result found = ws::test_evaluator(evaluator, {.batches = {0}});
    for (const ws::self_test_check& check : found.checks) {
        if (!check.passed)
            throw usage_error(fmt::format("the evaluator fails its self-test, {}: {}", check.name, check.text));
        notes.push_back(fmt::format("self-test, {}: {}", check.name, check.text));
    }
}

}  // namespace

void add_evaluator_arguments(CLI::App& sub, evaluator_arguments& a, evaluator_use use)
{
    const bool scores = use == evaluator_use::score_and_measure;
    const auto add_number = [&](const std::string& name, auto& value, std::size_t least, const std::string& description) {
        return sub.add_option(name, value, description)->type_name("N")->check(whole_number(least, 1'000'000'000));
    };
    const auto add_file = [&](const std::string& name, std::string& value, const std::string& description) {
        sub.add_option(name, value, description)->type_name("FILE");
    };
    add_file("--data", a.data, scores ? "tokens (.npy) to run the model on: some to score with, the others to measure with" : "tokens (.npy) to run the model on");
    add_file("--text", a.text, "the same as text, for which tokenizer.json lies beside the weights");
    sub.add_option("--evaluator", a.evaluator, "a program that runs the model, see process_evaluator.hpp")->type_name("COMMAND");
    if (scores) {
        add_file("--eval-data", a.eval_data, "tokens (.npy) to measure with instead");
        add_number("--num-samples", a.num_samples, 1, "rows of tokens to score with (128)");
    }
    add_number("--eval-samples", a.eval_samples, 1, "rows of tokens to measure with, at most (1024)");
    add_number("--context", a.context, 2, "tokens of a row where the data are one long text (512)");
    add_number("--batch-size", a.batch_size, 1, "rows that are run at once (8)");
    add_number("--predict-after", a.predict_after, 0, "in each row only what follows this token first counts");
    sub.add_flag("--self-test", a.self_test, "find out first whether the evaluator keeps its promises, and say how");
    add_choice(sub, "--rope", a.rope, {"config", "half_split", "interleaved"}, "which elements of a head rotary positions turn together");
}

void require_consistent(const evaluator_arguments& a)
{
    const int sources = (a.data.empty() ? 0 : 1) + (a.text.empty() ? 0 : 1) + (a.evaluator.empty() ? 0 : 1);
    if (sources > 1)
        throw usage_error("--data, --text and --evaluator each say what to run the model on; give one of them");
    if (!a.eval_data.empty() && a.data.empty() && a.text.empty())
        throw usage_error("--eval-data goes with --data or --text");
}

bool opened_evaluators::exist() const
{
#ifdef WEIGHTSCOPE_PROCESSES
    if (process_)
        return true;
#endif
    return measuring_ != nullptr;
}

opened_evaluators open_untested(const evaluator_arguments& a, const ws::model& m, const open_evaluators_options& options)
{
    opened_evaluators result;
    const bool scores = options.use == evaluator_use::score_and_measure;
    if (!a.evaluator.empty()) {
#ifdef WEIGHTSCOPE_PROCESSES
        result.process_ = std::make_unique<ws::process_evaluator>(a.evaluator, m);
        if (scores)
            result.notes.push_back("scores and losses are from the same batches: those of the evaluator");
        return result;
#else
        throw usage_error("--evaluator: this system starts no processes; use --data or --text");
#endif
    }
    if (!a.given())
        return result;
    const ws::transformer_config shape = config_of(m);
    const ws::transformer_options how = transformer_options_of(a);
    const std::size_t length = std::min(a.context, shape.max_positions);
    const ws::token_rows rows = read_rows(a, m, length);
    if (!scores) {
        ws::token_rows measured = other_rows(rows, {}, a.eval_samples);
        result.notes.push_back(fmt::format("losses are from {} of {} rows of tokens", measured.rows, rows.rows));
        result.measuring_ = std::make_unique<ws::transformer<float>>(m, shape, std::move(measured), how);
        return result;
    }
    split_rows parts = split(a, rows, length, options.seed, result.notes);
    result.fingerprint = parts.fingerprint;
    if (options.wide_scoring) {
        result.wide_ = std::make_unique<ws::widened_model>(ws::widen_weights(m));
        result.notes.push_back("the Hessian is that of the weights as floats: 16-bit ones cannot be moved by a little");
    }
    result.scoring_ = std::make_unique<ws::transformer<float>>(result.wide_ ? result.wide_->wider : m, shape, std::move(parts.to_score), how);
    result.measuring_ = std::make_unique<ws::transformer<float>>(m, shape, std::move(parts.to_measure), how);
    return result;
}

opened_evaluators open_evaluators(const evaluator_arguments& a, const ws::model& m, const open_evaluators_options& options)
{
    opened_evaluators result = open_untested(a, m, options);
    if (a.self_test && result.exist())
        result.with_measuring([&](auto& evaluator) { test_first(evaluator, result.notes); });
    return result;
}

int run_with_evaluators(const std::function<int()>& f)
{
    try {
        return f();
    } catch (const usage_error&) {
        throw;
    } catch (const std::invalid_argument& error) {
        throw usage_error(sentence_of(error));
#ifdef WEIGHTSCOPE_PROCESSES
    } catch (const ws::process_error& error) {
        print_error(std::string_view(error.what()).starts_with("weightscope: ") ? error.what() + 13 : error.what());
        return exit_status::unreadable;
#endif
    }
}
