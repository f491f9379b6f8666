// Which weights go: per tensor, per row, in blocks, and over a whole model.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/random_stream.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/scorers/global_mask.hpp>
#include <weightscope/scorers/mask.hpp>
#include <weightscope/scorers/nm_mask.hpp>
#include <weightscope/scorers/weight_mask.hpp>

#include "../catch.hpp"
#include "../evaluators/models.hpp"

using namespace weightscope;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

// "10100": 1 for each weight that is removed.
std::string text_of(const weight_mask& mask)
{
    std::string text;
    for (std::size_t i = 0; i < mask.size(); ++i)
        text += mask.removed(i) ? '1' : '0';
    return text;
}

// The same by a stable sort of everything.
weight_mask sorted_mask(const std::vector<double>& scores, std::size_t begin, std::size_t size, std::size_t stride, std::size_t count, weight_mask mask)
{
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < size; ++i)
        if (!std::isnan(scores[begin + i * stride]))
            order.push_back(begin + i * stride);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
    for (std::size_t i = 0; i < std::min(count, order.size()); ++i)
        mask.remove(order[i]);
    return mask;
}

// Numbers with many ties, both zeros, both signs, wide range, and some NaN.
std::vector<double> awkward_scores(std::size_t size, std::uint64_t seed)
{
    random_stream random(seed);
    std::vector<double> scores(size);
    for (double& s : scores) {
        const std::uint64_t kind = random.below(20);
        s = kind == 0   ? nan_value
          : kind == 1   ? 0.0
          : kind == 2   ? -0.0
          : kind < 8    ? static_cast<double>(random.below(5)) - 2
          : kind == 8   ? random.normal() * 1e-310
          : kind == 9   ? random.normal() * 1e300
                        : random.normal();
    }
    return scores;
}

scored_tensor in_memory(std::string name, const std::vector<double>& scores)
{
    return {.name = std::move(name), .size = scores.size(), .scores = [scores] { return scores; }};
}

}  // namespace

TEST_CASE("a ratio means the least number of weights whose share is not below it")
{
    CHECK(removed_count_for(0.5, 10) == 5);
    CHECK(removed_count_for(0.5, 11) == 6);
    CHECK(removed_count_for(0.07, 100) == 7);   // 0.07 · 100 = 7.000000000000001
    CHECK(removed_count_for(0.29, 100) == 29);  // 0.29 · 100 = 28.999999999999996
    CHECK(removed_count_for(0, 10) == 0);
    CHECK(removed_count_for(1, 10) == 10);
    CHECK(removed_count_for(0.3, 0) == 0);
    // as int(n * ratio) has it in the code of Wanda
    CHECK(removed_count_for(0.29, 100, count_rounding::truncated) == 28);
    CHECK(removed_count_for(0.55, 4096, count_rounding::truncated) == 2252);
    std::size_t below = 0, too_many = 0;
    for (std::size_t percent = 0; percent <= 100; ++percent)
        for (const std::size_t size : {1, 7, 64, 100, 768, 1000, 4096, 11008, 50257, 123'456'789}) {
            const double ratio = static_cast<double>(percent) / 100;
            const std::size_t count = removed_count_for(ratio, size);
            below += static_cast<double>(count) / static_cast<double>(size) < ratio ? 1 : 0;
            too_many += 100 * count >= percent * size + 100 ? 1 : 0;  // in whole numbers
        }
    CHECK(below == 0);
    CHECK(too_many == 0);
    CHECK_THROWS_WITH(removed_count_for(1.5, 10), "weightscope::removed_count_for(ratio, size): ratio is 1.5, expected 0 to 1");
    CHECK_THROWS_WITH(removed_count_for(nan_value, 10), "weightscope::removed_count_for(ratio, size): ratio is nan, expected 0 to 1");
}

TEST_CASE("a tensor loses its lowest scores, of equal ones the first")
{
    const std::vector<double> scores = {3, 1, 2, 1, 1, 0, -5, 2};
    const mask_result found = select_tensor_mask(scores, {.ratio = 0.5});
    CHECK(text_of(found.mask) == "01010110");  // -5, 0, and two of the three 1
    CHECK(found.removed_count == 4);
    CHECK(found.actual_ratio == 0.5);
    CHECK(found.tied_count == 3);
    CHECK(found.threshold.value == 1);
    CHECK(found.convention == "tensor");
    const mask_result all_ties = select_tensor_mask(scores, {.ratio = 0.625});
    CHECK(text_of(all_ties.mask) == "01011110");
    CHECK(all_ties.tied_count == 0);  // nothing was left to chance
    CHECK(select_tensor_mask(scores, {.ratio = 0}).threshold.reason == "nothing is removed");
    CHECK(text_of(select_tensor_mask(scores, {.ratio = 1}).mask) == "11111111");
    CHECK(select_tensor_mask({}, {.ratio = 0.5}).mask.size() == 0);
}

TEST_CASE("the actual ratio is not below the target where there are as many scores")
{
    const std::vector<double> scores(100, 1.0);
    for (const double ratio : {0.07, 0.1, 0.29, 0.33, 0.57, 0.58, 0.99}) {
        CHECK(select_tensor_mask(scores, {.ratio = ratio}).actual_ratio >= ratio);
        CHECK(select_row_mask(scores, 4, {.ratio = ratio}).actual_ratio >= ratio);
        CHECK(select_global_mask(std::vector{in_memory("a", scores)}, {.ratio = ratio}).actual_ratio >= ratio);
    }
    // a peer's prefix of the table stops before the target
    CHECK(select_tensor_mask(scores, {.ratio = 0.29, .rounding = count_rounding::truncated}).actual_ratio == 0.28);
}

TEST_CASE("what has no score is kept, and said")
{
    const std::vector<double> scores = {nan_value, 1, nan_value, 2};
    const mask_result found = select_tensor_mask(scores, {.ratio = 0.75});
    CHECK(text_of(found.mask) == "0101");
    CHECK(found.unscored_count == 2);
    CHECK(found.actual_ratio == 0.5);
    CHECK(found.target_ratio == 0.75);
    CHECK(text_of(select_row_mask(scores, 2, {.ratio = 1}).mask) == "0101");
    CHECK(select_row_mask(scores, 2, {.ratio = 1}).unscored_count == 2);
}

TEST_CASE("masks are those of a stable sort, whatever the scores")
{
    for (const std::size_t size : {1, 63, 64, 65, 1000, 300'000}) {
        const std::vector<double> scores = awkward_scores(size, size);
        for (const double ratio : {0.01, 0.5, 0.93}) {
            const std::size_t count = removed_count_for(ratio, size);
            const mask_result found = select_tensor_mask(scores, {.ratio = ratio});
            CHECK(found.mask == sorted_mask(scores, 0, size, 1, count, weight_mask(size)));
            CHECK(found.removed_count == found.mask.removed_count());
        }
    }
    // more equal scores than are collected at once, and scores that differ in their last bits only
    std::vector<double> close(200'000, 1.0);
    for (std::size_t i = 0; i < close.size(); i += 3)
        close[i] = 1 + static_cast<double>(i % 1000) * 0x1p-52;
    CHECK(select_tensor_mask(close, {.ratio = 0.4}).mask == sorted_mask(close, 0, close.size(), 1, 80'000, weight_mask(close.size())));
    CHECK(select_tensor_mask(close, {.ratio = 0.8}).mask == sorted_mask(close, 0, close.size(), 1, 160'000, weight_mask(close.size())));
}

TEST_CASE("masks of large tensors are those of a stable sort, however the scores are spread")
{
    const std::size_t size = 300'000;
    std::vector<std::pair<const char*, std::vector<double>>> cases;
    random_stream random(7);
    std::vector<double> scores(size);
    for (double& s : scores)
        s = random.normal();
    cases.emplace_back("gaussian", scores);
    std::sort(scores.begin(), scores.end());
    cases.emplace_back("ascending", scores);
    for (std::size_t i = 0; i < size; ++i)
        scores[i] = static_cast<double>(i % 3);
    cases.emplace_back("three values", scores);
    for (double& s : scores)
        s = random.below(10) < 9 ? nan_value : std::fabs(random.normal());
    cases.emplace_back("nine of ten are NaN", scores);
    for (double& s : scores)
        s = random.below(3) == 0 ? -std::numeric_limits<double>::infinity() : random.below(2) == 0 ? std::numeric_limits<double>::infinity() : 1;
    cases.emplace_back("infinite", scores);
    for (double& s : scores)
        s = random.below(2) == 0 ? 0.0 : -0.0;
    cases.emplace_back("zeros of both signs", scores);
    // what a sample spread by the golden section sees is not what there is
    for (std::size_t i = 0; i < size; ++i)
        scores[i] = 1 + static_cast<double>(i % 1009);
    for (std::size_t i = 0; i < 16384; ++i) {
        const double turn = static_cast<double>(i) * 0.6180339887498949;
        scores[static_cast<std::size_t>((turn - std::floor(turn)) * static_cast<double>(size))] = static_cast<double>(i) * 1e-6;
    }
    cases.emplace_back("misleading sample", scores);
    for (const auto& [name, values] : cases)
        for (const double ratio : {0.00001, 0.25, 0.5, 0.9, 0.99999, 1.0}) {
            INFO(name << ", " << ratio);
            const mask_result found = select_tensor_mask(values, {.ratio = ratio});
            const weight_mask expected = sorted_mask(values, 0, size, 1, removed_count_for(ratio, size), weight_mask(size));
            CHECK(found.mask == expected);
            CHECK(found.removed_count == expected.removed_count());
            double largest = -std::numeric_limits<double>::infinity();
            std::size_t unscored = 0;
            for (std::size_t i = 0; i < size; ++i) {
                unscored += std::isnan(values[i]) ? 1 : 0;
                largest = expected.removed(i) ? std::max(largest, values[i]) : largest;
            }
            CHECK(found.unscored_count == unscored);
            if (std::isfinite(largest))
                CHECK(found.threshold.value == largest);
            else
                CHECK(found.threshold.reason == "not finite");
            std::size_t equal = 0, equal_gone = 0;
            for (std::size_t i = 0; i < size; ++i) {
                equal += values[i] == largest ? 1 : 0;
                equal_gone += values[i] == largest && expected.removed(i) ? 1 : 0;
            }
            CHECK(found.tied_count == (equal_gone < equal ? equal : 0));
        }
}

TEST_CASE("rows lose as many weights each, as Wanda does")
{
    // order = np.argsort(scores, axis=1, kind='stable'), of each row the first int(6 * 0.5): columns 1, 3, 2 and 5, 4, 3
    const std::vector<double> scores = {3, 1, 2, 1, 9, 8, 7, 6, 5, 4, 3, 2};
    const mask_result found = select_row_mask(scores, 2, {.ratio = 0.5});
    CHECK(text_of(found.mask) == "011100000111");
    CHECK(found.tied_count == 0);
    CHECK(found.threshold.value == 4);
    CHECK(found.convention == "row");
    CHECK(select_row_mask(scores, 2, {.ratio = 1.0 / 6}).tied_count == 2);  // one of the two 1 went
    for (const std::size_t rows : {1, 3, 64, 100, 1000}) {
        const std::size_t cols = 157;
        const std::vector<double> many = awkward_scores(rows * cols, rows);
        weight_mask by_row(many.size()), by_column(many.size());
        for (std::size_t r = 0; r < rows; ++r)
            by_row = sorted_mask(many, r * cols, cols, 1, removed_count_for(0.4, cols), by_row);
        for (std::size_t c = 0; c < cols; ++c)
            by_column = sorted_mask(many, c, rows, cols, removed_count_for(0.4, rows), by_column);
        CHECK(select_row_mask(many, rows, {.ratio = 0.4}).mask == by_row);
        CHECK(select_row_mask(many, rows, {.ratio = 0.4}, matrix_orientation::in_out).mask == by_column);
    }
    // rows that are looked through by brackets, and more than one thread takes at once
    for (const std::size_t cols : {2001, 4096}) {
        const std::size_t rows = 150;
        std::vector<double> many = awkward_scores(rows * cols, cols);
        std::fill(many.begin() + static_cast<std::ptrdiff_t>(cols), many.begin() + static_cast<std::ptrdiff_t>(2 * cols), 3.0);
        weight_mask by_row(many.size()), by_column(many.size());
        for (std::size_t r = 0; r < rows; ++r)
            by_row = sorted_mask(many, r * cols, cols, 1, removed_count_for(0.7, cols), by_row);
        for (std::size_t c = 0; c < rows; ++c)
            by_column = sorted_mask(many, c, cols, rows, removed_count_for(0.7, cols), by_column);
        const mask_result long_rows = select_row_mask(many, rows, {.ratio = 0.7});
        CHECK(long_rows.mask == by_row);
        CHECK(long_rows.removed_count == by_row.removed_count());
        CHECK(select_row_mask(many, cols, {.ratio = 0.7}, matrix_orientation::in_out).mask == by_column);
    }
    CHECK_THROWS_WITH(select_row_mask(scores, 5), "weightscope::select_row_mask(scores, rows): 12 scores are no 5 rows");
}

TEST_CASE("N:M patterns keep the highest of each block")
{
    const std::vector<double> scores = {4, 1, 3, 2, 1, 1, 1, 1};
    const mask_result two = select_nm_mask(scores, 1, {.keep = 2, .of = 4});
    CHECK(text_of(two.mask) == "01011100");  // of equal scores the first go
    CHECK(two.convention == "keep=2,of=4");
    CHECK(two.target_ratio == 0.5);
    CHECK(two.actual_ratio == 0.5);
    CHECK(two.tied_count == 4);
    // the two conventions: one of four kept, and one of four removed
    CHECK(text_of(select_nm_mask(scores, 1, {.keep = 1, .of = 4}).mask) == "01111110");
    CHECK(text_of(select_nm_mask(scores, 1, parse_nm("prune=1,of=4")).mask) == "01001000");
    // blocks along the columns of [in, out]
    CHECK(text_of(select_nm_mask(scores, 4, {.keep = 1, .of = 2}, matrix_orientation::in_out).mask) == "01101100");
    for (const std::size_t of : {2, 4, 8, 16}) {
        const std::vector<double> many = awkward_scores(160 * 33, of);
        weight_mask expected(many.size());
        for (std::size_t at = 0; at < many.size(); at += of)
            expected = sorted_mask(many, at, of, 1, of / 2, expected);
        CHECK(select_nm_mask(many, 33, {.keep = of / 2, .of = of}).mask == expected);
    }
    // ties, infinities and zeros of both signs, NaN far between; every pattern of 4 and of 8
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> many(160 * 100);
    random_stream random(3);
    for (double& s : many) {
        const std::uint64_t kind = random.below(400);
        s = kind == 0 ? nan_value : kind < 20 ? infinity : kind < 40 ? -infinity : kind < 80 ? -0.0 : kind < 120 ? 0.0
                      : kind < 250 ? static_cast<double>(random.below(3)) - 1 : random.normal();
    }
    for (const std::size_t of : {4, 8})
        for (std::size_t keep = 1; keep < of; ++keep) {
            INFO(keep << " of " << of);
            weight_mask expected(many.size());
            std::size_t tied = 0;
            double threshold = -infinity;
            for (std::size_t at = 0; at < many.size(); at += of) {
                expected = sorted_mask(many, at, of, 1, of - keep, expected);
                double last = -infinity;
                std::size_t equal = 0, equal_gone = 0;
                for (std::size_t i = at; i < at + of; ++i)
                    last = expected.removed(i) ? std::max(last, many[i]) : last;
                for (std::size_t i = at; i < at + of; ++i) {
                    equal += many[i] == last ? 1 : 0;
                    equal_gone += expected.removed(i) && many[i] == last ? 1 : 0;
                }
                tied += equal_gone < equal ? equal : 0;
                threshold = std::max(threshold, last);
            }
            for (const std::size_t rows : {100, 1}) {
                const mask_result found = select_nm_mask(many, rows, {.keep = keep, .of = of});
                CHECK(found.mask == expected);
                CHECK(found.removed_count == expected.removed_count());
                CHECK(found.tied_count == tied);
                CHECK(found.threshold.exists() == std::isfinite(threshold));
                if (found.threshold.exists())
                    CHECK(found.threshold.value == threshold);
                CHECK(found.unscored_count == static_cast<std::size_t>(std::count_if(many.begin(), many.end(), [](double s) { return s != s; })));
            }
        }
    // a block of 20 is chosen by its cut
    const std::vector<double> wide = awkward_scores(20 * 40, 5);
    weight_mask of_wide(wide.size());
    for (std::size_t at = 0; at < wide.size(); at += 20)
        of_wide = sorted_mask(wide, at, 20, 1, 13, of_wide);
    CHECK(select_nm_mask(wide, 8, {.keep = 7, .of = 20}).mask == of_wide);
}

TEST_CASE("what is left of a row after its last block is refused, shares or stays")
{
    const std::vector<double> scores = {4, 1, 3, 2, 1, 2, 3};
    CHECK_THROWS_WITH(select_nm_mask(scores, 1, {.keep = 2, .of = 4}),
                      "weightscope::select_nm_mask(scores, rows, options): rows of 7 weights are no whole blocks of 4; choose tail_policy::share or keep");
    CHECK(text_of(select_nm_mask(scores, 1, {.keep = 2, .of = 4, .tail = tail_policy::share}).mask) == "0101100");  // 3 · 2 / 4 = 1
    CHECK(text_of(select_nm_mask(scores, 1, {.keep = 2, .of = 4, .tail = tail_policy::keep}).mask) == "0101000");
    CHECK_THROWS_WITH(select_nm_mask(scores, 1, {.keep = 4, .of = 4}),
                      "weightscope::select_nm_mask(scores, rows, options): keep is 4 of 4, expected 1 to 3");
}

TEST_CASE("patterns are read where they can mean one thing only")
{
    CHECK(to_string(parse_nm("keep=2,of=4")) == "keep=2,of=4");
    CHECK(to_string(parse_nm("prune=1,of=4")) == "keep=3,of=4");
    CHECK(to_string(parse_nm("2:4")) == "keep=2,of=4");
    CHECK(to_string(parse_nm("4:8")) == "keep=4,of=8");
    CHECK_THROWS_WITH(parse_nm("1:4"), "weightscope::parse_nm(text): '1:4' keeps 1 of 4 to some and removes as many to others; write keep=1,of=4 or "
                                       "prune=1,of=4");
    CHECK_THROWS_WITH(parse_nm("keep=4,of=4"), "weightscope::parse_nm(text): 'keep=4,of=4' keeps nothing or all of a block, expected a part of it");
    for (const char* text : {"", "keep", "keep=2", "keep=2,of=", "keep=2,of=4x", "prune=,of=4", "2:", "two:four", "keep=99999999,of=4"})
        CHECK_THROWS_WITH(parse_nm(text), "weightscope::parse_nm(text): '" + std::string(text) + "' is no pattern, expected keep=2,of=4 or prune=2,of=4");
}

TEST_CASE("a model loses its lowest scores, wherever they are")
{
    const std::vector<scored_tensor> tensors = {in_memory("a", {5, 1, 4}), in_memory("b", {2, 2, 2, 9}), in_memory("c", {})};
    const global_mask_result found = select_global_mask(tensors, {.ratio = 3.0 / 7});
    CHECK(text_of(found.tensors[0].mask) == "010");
    CHECK(text_of(found.tensors[1].mask) == "1100");
    CHECK(found.tensors[2].mask.size() == 0);
    CHECK(found.removed_count == 3);
    CHECK(found.tied_count == 3);
    CHECK(found.threshold.value == 2);
    CHECK(found.tensors[1].actual_ratio == 0.5);
    CHECK(found.actual_ratio >= 3.0 / 7);
    CHECK(select_global_mask(std::vector{in_memory("a", {0, 0}), in_memory("b", {1, 1})}, {.ratio = 0.5}).emptied_count == 1);
    CHECK(select_global_mask({}, {.ratio = 0.5}).tensors.empty());
}

TEST_CASE("a model's mask is that of all its scores in one row")
{
    std::vector<scored_tensor> tensors;
    std::vector<double> all;
    for (const std::size_t size : {1, 1000, 70'000, 3, 4097}) {
        const std::vector<double> scores = awkward_scores(size, 100 + size);
        tensors.push_back(in_memory("t" + std::to_string(size), scores));
        all.insert(all.end(), scores.begin(), scores.end());
    }
    for (const double ratio : {0.001, 0.3, 0.5, 0.999}) {
        const global_mask_result found = select_global_mask(tensors, {.ratio = ratio});
        const weight_mask expected = select_tensor_mask(all, {.ratio = ratio}).mask;
        std::string text;
        for (const mask_result& tensor : found.tensors)
            text += text_of(tensor.mask);
        CHECK(text == text_of(expected));
        CHECK(found.removed_count == expected.removed_count());
    }
}

TEST_CASE("no tensor loses more than it may, and the others make up for it")
{
    std::vector<double> low(100), high(100);
    std::iota(low.begin(), low.end(), 0.0);
    std::iota(high.begin(), high.end(), 1000.0);
    const std::vector<scored_tensor> tensors = {in_memory("low", low), in_memory("high", high)};
    const global_mask_result found = select_global_mask(tensors, {.ratio = 0.5, .most_per_tensor = 0.7});
    CHECK(found.tensors[0].removed_count == 70);
    CHECK(found.tensors[1].removed_count == 30);
    CHECK(found.actual_ratio == 0.5);
    CHECK(found.tensors[0].mask.removed(69));
    CHECK(!found.tensors[0].mask.removed(70));
    const global_mask_result tight = select_global_mask(tensors, {.ratio = 0.5, .most_per_tensor = 0.3});
    CHECK(tight.removed_count == 60);
    CHECK(tight.actual_ratio == 0.3);
    CHECK_THROWS_WITH(select_global_mask(tensors, {.most_per_tensor = 2}),
                      "weightscope::select_global_mask(tensors, options): options.most_per_tensor is 2, expected 0 to 1");
    CHECK_THROWS_WITH(select_global_mask(std::vector<scored_tensor>{{.name = "x", .size = 3, .scores = [] { return std::vector<double>{1}; }}}),
                      "weightscope::scored_tensor: 'x' has 1 scores, expected 3");
}

TEST_CASE("masks are put onto tensors, stored bytes and evaluators")
{
    weight_mask mask(70);
    mask.remove(0);
    mask.remove(65);
    mask.remove(3);
    mask.keep(3);
    CHECK(mask.removed_count() == 2);
    CHECK(mask.words()[1] == 2);
    CHECK(mask.kept_bytes()[65] == 0);
    CHECK(mask.kept_bytes()[66] == 1);

    weight_mask two(4);
    two.remove(1);
    two.remove(2);
    const xt::xtensor<float, 2> w = {{1, std::nanf("")}, {-3, 4}};
    const xt::xarray<float> masked = apply_mask(w, two);
    CHECK(std::vector<float>(masked.begin(), masked.end()) == std::vector<float>{1, 0, 0, 4});
    CHECK(masked.dimension() == 2);
    std::vector<std::byte> bytes(8, std::byte{0x3c});
    apply_mask_inplace(dtype::float16, bytes, two);
    CHECK(bytes == std::vector<std::byte>{std::byte{0x3c}, std::byte{0x3c}, {}, {}, {}, {}, std::byte{0x3c}, std::byte{0x3c}});
    CHECK_THROWS_WITH(apply_mask(w, mask), "weightscope::apply_mask(weights, mask): the mask is of 70 weights, expected 4");
    CHECK_THROWS_WITH(apply_mask_inplace(dtype::float8_e8m0, bytes, two),
                      "weightscope::apply_mask_inplace(type, bytes, mask): F8_E8M0 has no 0 to set a weight to");

    auto model = make_quadratic<quadratic_model<float>>(6, 1);  // tensors of 2 and 4 weights
    const auto before = model.all();
    {
        weight_patch patch(model);
        apply_mask(patch, model, 1, two);
        CHECK(model.all()[1] == std::vector<float>{before[1][0], 0, 0, before[1][3]});
    }
    CHECK(model.same_bytes(before));
}
