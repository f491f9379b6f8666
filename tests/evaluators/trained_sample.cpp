// The stored sample does what it was trained for.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/read_tokens.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

const std::string alphabet = "abcdefghijklmnop0123456789CRSA+=;";
constexpr std::int32_t answer_sign = 31;

const std::filesystem::path& sample_folder()
{
    static const std::filesystem::path folder =
        std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "examples" / "data" / "trained_sample";
    return folder;
}

transformer<float> open_sample()
{
    return open_transformer(sample_folder(), read_tokens(sample_folder() / "held_out.npy"), {.batch_size = 256, .predict_after = answer_sign});
}

}  // namespace

TEST_CASE("the trained sample solves the problems that it was not trained on")
{
    transformer<float> t = open_sample();
    REQUIRE(t.batch_count() == 4);
    std::size_t parameters = 0;
    for (const weight_info& w : t.weights())
        parameters += w.size();
    CHECK(parameters == 495744);
    loss_value loss, right;
    for (std::size_t b = 0; b < t.batch_count(); ++b) {
        loss_value accuracy;
        t.measure(b, std::span(&accuracy, 1));
        const loss_value l = t.loss(b);
        loss.sum += l.sum, loss.count += l.count, right.sum += accuracy.sum, right.count += accuracy.count;
    }
    CHECK(loss.mean() < 0.005);
    CHECK(right.mean() > 0.999);
    CHECK(right.count == loss.count);
    CHECK(loss.count > 5000);
}

TEST_CASE("the held-out problems are right, and none stands there for its own sake")
{
    const token_rows rows = read_tokens(sample_folder() / "held_out.npy");
    REQUIRE(rows.rows == 1024);
    std::map<char, int> tasks;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        std::string text;
        for (std::size_t i = 0; i < rows.length && rows.tokens[r * rows.length + i] >= 0; ++i)
            text += alphabet[static_cast<std::size_t>(rows.tokens[r * rows.length + i])];
        const std::size_t sign = text.find('=');
        const std::string operand = text.substr(1, sign - 1);
        std::string expected = operand;
        if (text[0] == 'R')
            std::reverse(expected.begin(), expected.end());
        if (text[0] == 'S')
            std::sort(expected.begin(), expected.end());
        if (text[0] == 'A')
            expected = std::to_string(std::stoi(operand) + std::stoi(operand.substr(operand.find('+') + 1)));
        CHECK(text.substr(sign + 1) == expected + ";");
        ++tasks[text[0]];
    }
    for (const char task : {'A', 'C', 'R', 'S'})
        CHECK(tasks[task] > 200);
}

TEST_CASE("the trained sample answers a question, token by token")
{
    std::string text = "A47+85=";
    while (text.back() != ';' && text.size() < 12) {
        token_rows rows{.rows = 1, .length = text.size()};
        for (const char c : text)
            rows.tokens.push_back(static_cast<std::int32_t>(alphabet.find(c)));
        const model_outputs logits = open_transformer(sample_folder(), rows).outputs(0);
        const auto last = logits.values.end() - static_cast<std::ptrdiff_t>(logits.cols);
        text += alphabet[static_cast<std::size_t>(std::max_element(last, logits.values.end()) - last)];
    }
    CHECK(text == "A47+85=132;");
}

TEST_CASE("shuffled weights have forgotten it all")
{
    transformer<float> t = open_sample();
    random_stream random(1);
    for (std::size_t tensor = 0; tensor < t.weights().size(); ++tensor) {
        std::vector<std::uint16_t> codes(t.weights()[tensor].size());
        t.read(tensor, 0, std::as_writable_bytes(std::span(codes)));
        for (std::size_t i = codes.size(); i > 1; --i)
            std::swap(codes[i - 1], codes[random.below(i)]);
        t.write(tensor, 0, std::as_bytes(std::span(codes)));
    }
    CHECK(t.loss(0).mean() > 2);
}
