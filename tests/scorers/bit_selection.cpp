// Which weights' bits are worth a look: scores against brute force, how weights are sampled, and what it costs.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weightscope/core/bit_set.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/scorers/bit_merge.hpp>
#include <weightscope/scorers/bit_selection.hpp>
#include <weightscope/scorers/bit_selection_plan.hpp>

#include "../catch.hpp"
#include "../evaluators/models.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"
#include "bit_models.hpp"

using namespace weightscope;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// A model in memory.
class memory_model
{
public:
    template <class T>
    void add(const std::string& name, const std::vector<double>& values)
    {
        std::vector<std::byte>& bytes = kept_.emplace_back(values.size() * sizeof(T));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const T x = static_cast<T>(values[i]);
            std::memcpy(bytes.data() + i * sizeof(T), &x, sizeof(T));
        }
        model_.tensors.push_back({.name = name, .shape = {values.size()}, .dtype = dtype_of<T>});
        for (std::size_t t = 0; t < kept_.size(); ++t)
            model_.tensors[t].bytes = kept_[t];
    }
    model& get() { return model_; }

private:
    std::vector<std::vector<std::byte>> kept_;
    model model_;
};

// A flip of a weight of a plain tensor.
template <class T>
bit_flip flip_of(const named_tensor& tensor, std::size_t i, unsigned bit)
{
    std::uint64_t code = 0;
    std::memcpy(&code, tensor.bytes.data() + i * sizeof(T), sizeof(T));
    return flip_change(bit_layout_of<T>(), code, bit);
}

importance_data known_gradients(const std::string& name, std::vector<double> gradients, std::vector<double> curvatures = {})
{
    importance_data data;
    data.add(name, [=](importance_info& info) {
        info.gradients = importance_values(gradients);
        if (!curvatures.empty())
            info.hessian_diag = importance_values(curvatures);
    });
    return data;
}

std::vector<std::size_t> flats(const bit_selection& selection)
{
    std::vector<std::size_t> result;
    for (const bit_candidate& c : selection.candidates)
        result.push_back(c.flat);
    return result;
}

}  // namespace

TEST_CASE("methods score by hand")
{
    // w = 1, -3, 0.5, 0; flipping the sign changes it by -2, 6, -1, nothing; the radius is 3
    memory_model m;
    m.add<float>("w", {1, -3, 0.5, 0});
    const importance_data data = known_gradients("w", {0.5, 0.1, -4, 9}, {1, 1, -4, 1});
    const auto select = [&](bit_method method) { return select_bits(m.get(), {.method = method, .bits = "sign", .per_tensor_k = 0}, data); };
    CHECK(flats(select(bit_method::magnitude)) == std::vector<std::size_t>{1, 0, 2, 3});
    CHECK(flats(select(bit_method::gradient)) == std::vector<std::size_t>{3, 2, 0, 1});
    const bit_selection taylor = select(bit_method::taylor);
    CHECK(flats(taylor) == std::vector<std::size_t>{2, 0, 1, 3});
    CHECK(taylor.candidates[0].score == 2);
    const bit_selection size = select(bit_method::flip_size);
    CHECK(flats(size) == std::vector<std::size_t>{0, 2});
    const bit_selection aware = select(bit_method::automatic);
    REQUIRE(flats(aware) == std::vector<std::size_t>{2, 0});
    CHECK(aware.method == bit_method::flip_aware);
    CHECK(aware.candidates[0].score == 2);  // |-4 · -1 + -4 · 1 / 2|
    CHECK(aware.candidates[1].score == 1);  // |0.5 · -2 + 1 · 4 / 2|
    CHECK(aware.candidates[1].bit == 31);
    CHECK(aware.candidates[1].value == 1);
    CHECK(aware.candidates[1].gradient == 0.5);
    CHECK(aware.candidates[1].curvature == 1);
    CHECK(aware.flips.inside == 2);
    CHECK(aware.flips.outside == 1);
    CHECK(aware.flips.unchanged == 1);
    CHECK(aware.gradient_source == "file");
    const bit_selection bare = select_bits(m.get(), {.bits = "sign"});
    CHECK(bare.method == bit_method::flip_size);
    CHECK(bare.gradient_source.empty());
    // with the radius doubled the sign of -3 counts: |0.1 · 6 + 1 · 36 / 2|
    const bit_selection wide = select_bits(m.get(), {.bits = "sign", .per_tensor_k = 0, .trust_radius = 2}, data);
    CHECK(flats(wide) == std::vector<std::size_t>{1, 2, 0});
    CHECK(wide.candidates[0].score == Approx(18.6));
}

TEMPLATE_TEST_CASE("flip-aware scores are those of a loop over every weight and bit", "", float16, bfloat16, float, std::int8_t)
{
    random_stream random(5);
    std::vector<double> values, g, h;
    for (int i = 0; i < 300; ++i) {
        values.push_back(std::is_integral_v<TestType> ? std::nearbyint(40 * random.normal()) : 0.1 * random.normal());
        g.push_back(random.normal());
        h.push_back(random.normal());
    }
    memory_model m;
    m.add<TestType>("w", values);
    for (const char* bits : {"all", ">=3"}) {
        const bit_selection found = select_bits(m.get(), {.bits = bits, .per_tensor_k = 0, .top_w = 0}, known_gradients("w", g, h));
        double radius = 0;
        for (std::size_t i = 0; i < values.size(); ++i)
            radius = std::max(radius, std::fabs(flip_of<TestType>(m.get().tensors[0], i, 0).old_value));
        std::vector<std::pair<double, std::size_t>> expected;
        bit_flip_counts counts;
        for (std::size_t i = 0; i < values.size(); ++i) {
            double best = -1;
            for (const unsigned bit : bits_in(parse_bit_set(bits), bit_layout_of<TestType>())) {
                const bit_flip flip = flip_of<TestType>(m.get().tensors[0], i, bit);
                const bool finite = std::isfinite(flip.new_value);
                (!finite ? counts.non_finite : flip.change == 0 ? counts.unchanged : std::fabs(flip.change) <= radius ? counts.inside : counts.outside)++;
                if (finite && flip.change != 0 && std::fabs(flip.change) <= radius)
                    best = std::max(best, std::fabs(g[i] * flip.change + h[i] / 2 * flip.change * flip.change));
            }
            if (best >= 0)
                expected.emplace_back(-best, i);
        }
        std::sort(expected.begin(), expected.end());
        REQUIRE(found.candidates.size() == expected.size());
        bool same = true;
        for (std::size_t i = 0; i < expected.size(); ++i)
            same = same && found.candidates[i].flat == expected[i].second && found.candidates[i].score == Approx(-expected[i].first).epsilon(1e-13);
        CHECK(same);
        CHECK(found.flips.inside == counts.inside);
        CHECK(found.flips.outside == counts.outside);
        CHECK(found.flips.non_finite == counts.non_finite);
        CHECK(found.flips.unchanged == counts.unchanged);
        std::size_t outside = 0;
        for (const bit_candidate& c : found.candidates)
            outside += c.outside_taylor.size();
        CHECK(outside == counts.outside + counts.non_finite);
    }
}

TEST_CASE("each tensor gives its best few, however weights are sampled, and all the best of these")
{
    auto model = make_quadratic<differentiable_quadratic<float>>(60, 3);  // 20 and 40 weights
    auto forward_only = make_quadratic<quadratic_model<float>>(60, 3);
    const auto count_of = [](const bit_selection& s, const std::string& name) {
        return std::count_if(s.candidates.begin(), s.candidates.end(), [&](const bit_candidate& c) { return c.name == name; });
    };
    for (const std::size_t k : {1, 3}) {
        for (const bool all : {false, true}) {
            const bit_selection by_gradient = select_bits(model, {.per_tensor_k = k, .sample_all_weights = all});
            const bit_selection by_differences = select_bits(forward_only, {.per_tensor_k = k, .oversample = 4, .sample_all_weights = all});
            for (const bit_selection* s : {&by_gradient, &by_differences}) {
                CHECK(count_of(*s, "a") == static_cast<long>(k));
                CHECK(count_of(*s, "b") == static_cast<long>(k));
                CHECK(std::is_sorted(s->candidates.begin(), s->candidates.end(), [](const auto& x, const auto& y) { return x.score > y.score; }));
            }
            CHECK(by_gradient.gradient_source == "evaluator");
            CHECK(by_gradient.sampled_count == 0);
            CHECK(by_differences.gradient_source == "differences");
            CHECK(by_differences.sampled_count == (all ? 60 : 8 * k));
        }
    }
    CHECK(select_bits(model, {.per_tensor_k = 3, .top_w = 4}).candidates.size() == 4);
    CHECK(select_bits(model, {.per_tensor_k = 0, .top_w = 0}).candidates.size() == 60);
    CHECK(select_bits(forward_only, {.per_tensor_k = 0}).sampled_count == 60);
}

TEST_CASE("with all weights sampled, differences choose as exact gradients do")
{
    auto exact = make_quadratic<exact_quadratic<double>>(30, 5);
    auto forward_only = make_quadratic<quadratic_model<double>>(30, 5);
    const auto a = random_symmetric(30, 5);
    const select_bits_options options = {.bits = "exponent_sign", .per_tensor_k = 0, .top_w = 0, .curvature = true, .step = 1e-3};
    const bit_selection by_differences = select_bits(forward_only, options);
    const bit_selection first_order = select_bits(exact, {.bits = "exponent_sign", .per_tensor_k = 0, .top_w = 0});
    REQUIRE(by_differences.candidates.size() == 30);
    REQUIRE(first_order.candidates.size() == 30);
    const auto before = forward_only.all();
    for (const bit_candidate& c : by_differences.candidates) {
        const std::size_t i = c.flat + (c.name == "b" ? 10 : 0);
        const auto same = std::find_if(first_order.candidates.begin(), first_order.candidates.end(),
                                       [&](const bit_candidate& o) { return o.name == c.name && o.flat == c.flat; });
        CHECK(c.gradient == Approx(same->gradient).epsilon(1e-6).margin(1e-8));
        CHECK(c.curvature == Approx(a[i][i]).epsilon(1e-4).margin(1e-6));
    }
    CHECK(forward_only.same_bytes(before));
}

TEST_CASE("steps that vanish in half floats are widened, and gradients are of the realised step")
{
    // 1e-3 is nothing beside 16 in half floats; so is 1e-6 of a weight
    CHECK(static_cast<float>(float16(16.0F + 1e-3F)) == 16.0F);
    const std::vector<double> w = {16, 20, -18, 24, 17, -30};
    const auto a = random_symmetric(6, 9);
    const std::vector<double> b = {1, -2, 3, 0.5, -1, 2};
    quadratic_model<float16> model(a, b, w, 3);
    const bit_selection found = select_bits(model, {.bits = "sign", .per_tensor_k = 0, .trust_radius = 4, .curvature = true, .step = 1e-6});
    REQUIRE(found.candidates.size() == 6);
    const auto aw = model.times(w);
    for (const bit_candidate& c : found.candidates) {
        const std::size_t i = c.flat + (c.name == "b" ? 3 : 0);
        CHECK(c.gradient == Approx(aw[i] + b[i]).epsilon(1e-9));
        CHECK(c.curvature == Approx(a[i][i]).epsilon(1e-7).margin(1e-7));
        const double change = -2 * c.value;
        CHECK(c.score == Approx(std::fabs(c.gradient * change + c.curvature / 2 * change * change)).epsilon(1e-12));
    }
}

TEST_CASE("gradients are means over the batches, not sums")
{
    linear_net net(9, 4, 3, 2, 4);
    const gradient_result gradient = estimate_gradient(net);
    for (const bit_candidate& c : select_bits(net, {.per_tensor_k = 0}).candidates)
        CHECK(c.gradient == gradient.tensors[c.name == "w1" ? 0 : 1].values[c.flat]);
}

TEST_CASE("the cost of sampling is the forwards that are run, and the guide's own arithmetic")
{
    // 313 tensors, 10 · k weights each: one forward for each, with one batch of 20 steps 20 times as many
    const std::vector<std::size_t> sizes(313, 100'000);
    CHECK(bit_sample_size(sizes, {.per_tensor_k = 1}) == 3'130);
    CHECK(bit_sample_size(sizes, {.per_tensor_k = 2}) == 6'260);
    CHECK(bit_sample_size(sizes, {.per_tensor_k = 2}) * 20 == 125'200);
    CHECK(bit_sample_size(sizes, {.per_tensor_k = 10}) == 31'300);
    CHECK(bit_sample_size(sizes, {.per_tensor_k = 2, .sample_all_weights = true}) == 31'300'000);
    CHECK(bit_sample_size(std::vector<std::size_t>{7, 100}, {.per_tensor_k = 2}) == 27);

    linear_net net(9, 4, 3, 2, 4);  // two batches; it has gradients
    auto forward_only = make_quadratic<quadratic_model<float>>(60, 3);
    for (const bool curvature : {false, true}) {
        const select_bits_options options = {.per_tensor_k = 2, .oversample = 3, .curvature = curvature, .probes = 4};
        const auto by_gradient = plan_select_bits(net, options);
        CHECK(select_bits(net, by_gradient.options).counts == by_gradient.plan.counts);
        const auto by_differences = plan_select_bits(forward_only, options);
        CHECK(by_differences.plan.counts.losses == (curvature ? 2U : 1U) * 12 + 1);
        CHECK(select_bits(forward_only, by_differences.options).counts == by_differences.plan.counts);
        CHECK(by_differences.plan.spent.losses == 3);
    }
    // a budget takes fewer weights of each tensor, and says when it buys too little
    const auto cut = plan_select_bits(forward_only, {.per_tensor_k = 2, .oversample = 10}, {}, {.losses = 30});
    CHECK(cut.options.oversample == 7);
    CHECK(cut.plan.counts.losses == 29);
    CHECK(cut.plan.refusal.empty());
    const auto none = plan_select_bits(forward_only, {.per_tensor_k = 2}, {}, {.losses = 3});
    CHECK(none.plan.refusal == "4 weights need a gradient, and the budget buys 2; raise it, or take fewer tensors or batches");
    const std::string refusal = plan_select_bits(net, {}, {}, {.losses = 3}).plan.refusal;
    CHECK(refusal.starts_with("gradients cost as much as 6 losses and take "));
    CHECK(refusal.ends_with(" s, more than the budget; take fewer batches"));
}

TEST_CASE("what is no candidate: biases, ties, names that were not asked for, what is not finite")
{
    memory_model m;
    m.add<float>("a.weight", {1, infinity, 2});
    m.add<float>("a.bias", {5, 5});
    m.add<float>("b.weight", {3, std::numeric_limits<double>::quiet_NaN()});
    m.add<float>("tied.weight", {9, 9});
    m.add<std::int8_t>("c.weight", {100, 3});
    m.get().tensors[3].tied_to = "a.weight";
    const auto names = [&](const select_bits_options& options) {
        std::string text;
        for (const bit_candidate& c : select_bits(m.get(), options).candidates)
            text += c.name + " ";
        return text;
    };
    CHECK(names({.method = bit_method::magnitude}) == "c.weight b.weight a.weight ");
    CHECK(names({.method = bit_method::magnitude, .allow_bias = true}) == "c.weight a.bias b.weight a.weight ");
    CHECK(names({.method = bit_method::magnitude, .takes = [](std::string_view name) { return name.starts_with("a."); }}) == "a.weight ");
    const bit_selection s = select_bits(m.get(), {.method = bit_method::magnitude, .bits = "exponent", .per_tensor_k = 0});
    CHECK(s.unscored_count == 2);
    CHECK(s.weight_count == 5);
    CHECK(s.passed_over == std::vector<std::string>{"c.weight (I8): has none of the bits 'exponent'"});
}

TEST_CASE("weights with flips outside of the trust radius can be drawn, the same ones for a seed")
{
    random_stream random(2);
    std::vector<double> values;
    for (int i = 0; i < 400; ++i)
        values.push_back(0.1 * random.normal());
    memory_model m;
    m.add<float16>("w", values);
    const bit_selection s = select_bits(m.get(), {.outside_w = 20});
    REQUIRE(s.candidates.size() == 21);
    CHECK_FALSE(s.candidates[0].drawn);
    double radius = 0;
    for (std::size_t i = 0; i < 400; ++i)
        radius = std::max(radius, std::fabs(flip_of<float16>(m.get().tensors[0], i, 0).old_value));
    for (std::size_t i = 1; i < 21; ++i) {
        const bit_candidate& c = s.candidates[i];
        CHECK(c.drawn);
        CHECK(std::isnan(c.score));
        REQUIRE_FALSE(c.outside_taylor.empty());
        for (const unsigned bit : c.outside_taylor)
            CHECK_FALSE(std::fabs(flip_of<float16>(m.get().tensors[0], c.flat, bit).change) <= radius);
    }
    CHECK(flats(select_bits(m.get(), {.outside_w = 20})) == flats(s));
    CHECK(flats(select_bits(m.get(), {.outside_w = 20, .evaluation = {.seed = 1}})) != flats(s));
}

TEST_CASE("codes in blocks are flipped as they are stored")
{
    // two blocks of Q4_0: a half float and 16 bytes of two codes
    random_stream random(4);
    std::string data;
    for (int block = 0; block < 2; ++block) {
        data += gguf_writer::bytes_of(float16(0.25F + static_cast<float>(block)).bits);
        for (int i = 0; i < 16; ++i)
            data += static_cast<char>(random.below(256));
    }
    gguf_writer::file file;
    file.tensors.push_back({"w", {64}, 2, data});
    const files::temporary_folder folder;
    const model m = open_model(files::write(folder / "m.gguf", file.content()));
    const bit_selection s = select_bits(m, {.bits = "all", .per_tensor_k = 0, .top_w = 0, .parts = {"code"}});
    std::uint64_t inside = 0;
    double radius = 0;
    for (std::size_t i = 0; i < 64; ++i)
        radius = std::max(radius, std::fabs(flip_change(m.tensors[0], i, 0).old_value));
    for (std::size_t i = 0; i < 64; ++i)
        for (unsigned bit = 0; bit < 4; ++bit)
            inside += std::fabs(flip_change(m.tensors[0], i, bit).change) <= radius ? 1 : 0;
    CHECK(s.flips.inside == inside);
    CHECK(s.flips.total() == 256);
    for (const bit_candidate& c : s.candidates)
        CHECK(c.score == std::fabs(flip_change(m.tensors[0], c.flat, static_cast<unsigned>(c.bit)).change));
}

TEST_CASE("a scale is scored by all the weights that its flip changes")
{
    const files::temporary_folder folder;
    for (const char* type : {"Q4_0", "Q4_K", "Q3_K"}) {
        const model m = bit_models::open_blocks(folder, type, 2, 5);
        const named_tensor& tensor = m.tensors[0];
        random_stream random(7);
        std::vector<double> g, h, values = bit_models::values_of_blocks(m);
        double radius = 0;
        for (std::size_t i = 0; i < tensor.size(); ++i) {
            g.push_back(random.normal());
            h.push_back(random.normal());
            radius = std::max(radius, std::fabs(values[i]));
        }
        const select_bits_options options = {.bits = ">=2", .per_tensor_k = 0, .top_w = 0};
        const bit_selection by_flip = select_bits(m, options, known_gradients("a", g, h)), by_size = select_bits(m, options);
        bit_flip_counts counts;
        std::map<std::pair<std::string, std::size_t>, std::pair<double, double>> expected;  // part, number: predicted change, size
        for (const bit_part& part : bit_parts(tensor))
            for (std::size_t n = 0; n < tensor.size() / part.weights; ++n)
                for (unsigned bit = 2; bit < part.layout.bits; ++bit) {
                    double predicted = 0, squares = 0, most = 0;
                    bool finite = true;
                    bit_models::for_each_change(tensor, part, n, bit, [&](std::size_t i, const bit_flip& flip) {
                        finite = finite && std::isfinite(flip.new_value);
                        predicted += g[i] * flip.change + h[i] / 2 * flip.change * flip.change;
                        squares += flip.change * flip.change;
                        most = std::max(most, std::fabs(flip.change));
                    });
                    (!finite ? counts.non_finite : most == 0 ? counts.unchanged : most <= radius ? counts.inside : counts.outside)++;
                    if (!finite || most == 0 || most > radius)
                        continue;
                    auto& [change, size] = expected[{part.name, n}];
                    change = std::max(change, std::fabs(predicted));
                    size = std::max(size, std::sqrt(squares));
                }
        INFO(type);
        CHECK(by_flip.flips.inside == counts.inside);
        CHECK(by_flip.flips.outside == counts.outside);
        CHECK(by_flip.flips.non_finite == counts.non_finite);
        CHECK(by_flip.flips.unchanged == counts.unchanged);
        CHECK(by_flip.weight_count == tensor.size());
        REQUIRE(by_flip.candidates.size() == expected.size());
        REQUIRE(by_size.candidates.size() == expected.size());
        bool same = true;
        for (const bit_selection* s : {&by_flip, &by_size})
            for (const bit_candidate& c : s->candidates) {
                const bit_part part = find_bit_part(tensor, c.part);
                const auto& [change, size] = expected.at({c.part, c.flat / part.weights});
                double most = 0;
                bit_models::for_each_change(tensor, part, c.flat / part.weights, static_cast<unsigned>(c.bit),
                                            [&](std::size_t, const bit_flip& flip) { most = std::max(most, std::fabs(flip.change)); });
                const double shown = std::fabs(flip_change(tensor, c.flat, static_cast<unsigned>(c.bit), c.part).change);
                same = same && c.score == Approx(s == &by_flip ? change : size).epsilon(1e-12) && c.value == values[c.flat] && shown == most;
            }
        CHECK(same);
        // of one tensor the best one is taken, whatever part it is
        const bit_selection best = select_bits(m, {.bits = ">=2"}, known_gradients("a", g, h));
        REQUIRE(best.candidates.size() == 1);
        CHECK(best.candidates[0].part == by_flip.candidates[0].part);
        CHECK(best.candidates[0].score == by_flip.candidates[0].score);
        CHECK(best.candidates[0].gradient == g[best.candidates[0].flat]);
    }
}

TEST_CASE("magnitude, gradient and taylor of a scale are those of its weights together")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q4_0", 3, 8);
    const std::vector<double> w = bit_models::values_of_blocks(m);
    std::vector<double> g;
    for (std::size_t i = 0; i < 96; ++i)
        g.push_back(std::sin(static_cast<double>(i)));
    for (const bit_method method : {bit_method::magnitude, bit_method::gradient, bit_method::taylor}) {
        const bit_selection s = select_bits(m, {.method = method, .per_tensor_k = 0}, known_gradients("a", g));  // codes have no exponent and no sign
        REQUIRE(s.candidates.size() == 3);
        for (const bit_candidate& c : s.candidates) {
            CHECK(c.part == "scale");
            double squares = 0, gradients = 0, sum = 0, largest = 0;
            for (std::size_t i = c.flat / 32 * 32; i < c.flat / 32 * 32 + 32; ++i) {
                squares += w[i] * w[i];
                gradients += g[i] * g[i];
                sum += g[i] * w[i];
                largest = std::max(largest, std::fabs(w[i]));
            }
            const double expected = method == bit_method::magnitude ? std::sqrt(squares) : method == bit_method::gradient ? std::sqrt(gradients) : std::fabs(sum);
            CHECK(c.score == Approx(expected).epsilon(1e-12));
            CHECK(std::fabs(w[c.flat]) == largest);
        }
    }
}

TEST_CASE("an evaluator's gradients choose scales, and one that only runs forward has the sizes of flips")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q4_0", 2, 9);
    const std::vector<double> b = random_matrix(1, 65, 7)[0], w = bit_models::values_of_blocks(m);
    differentiable_quadratic<float> with_gradient(matrix_of_doubles(65, std::vector<double>(65)), b, w, 64);
    const bit_selection s = select_bits(m, with_gradient, {.per_tensor_k = 0});
    REQUIRE(s.candidates.size() == 2);
    const bit_part scale = find_bit_part(m.tensors[0], "scale");
    for (const bit_candidate& c : s.candidates) {
        double sum = 0;
        bit_models::for_each_change(m.tensors[0], scale, c.flat / 32, static_cast<unsigned>(c.bit), [&](std::size_t i, const bit_flip& flip) { sum += b[i] * flip.change; });
        CHECK(c.part == "scale");
        CHECK(c.score == Approx(std::fabs(sum)).epsilon(1e-9));
        CHECK(c.gradient == Approx(b[c.flat]).epsilon(1e-9));
    }
    quadratic_model<float> forward_only(matrix_of_doubles(65, std::vector<double>(65)), b, w, 64);
    CHECK(select_bits(m, forward_only).method == bit_method::flip_size);  // the default bits are those of scales alone
    CHECK(select_bits(m, forward_only).candidates[0].part == "scale");
    const bit_selection all = select_bits(m, forward_only, {.bits = "all", .oversample = 2});
    CHECK(all.method == bit_method::flip_aware);
    CHECK(all.candidates[0].part == "code");
    CHECK(all.sampled_count == 2);
    CHECK(all.passed_over == std::vector<std::string>{"a (Q4_0): scale: differences of losses give no gradients of all the weights that depend on one"});
    CHECK_THROWS_WITH(select_bits(m, forward_only, {.method = bit_method::taylor}),
                      "weightscope::select_bits(model, evaluator, options): options.method taylor needs gradients, which differences of losses give of weights' "
                      "own codes in floating point alone; take flip_size");
}

TEST_CASE("numbers with flips outside of the trust radius are drawn, whatever part they are")
{
    const files::temporary_folder folder;
    const model m = bit_models::open_blocks(folder, "Q4_K", 3, 6);
    const bit_selection s = select_bits(m, {.top_w = 1, .outside_w = 5, .parts = {"scale", "min"}});
    REQUIRE(s.candidates.size() == 6);
    std::set<std::pair<std::string, std::size_t>> numbers;
    for (const bit_candidate& c : s.candidates) {
        numbers.emplace(c.part, c.flat / 256);
        CHECK((c.part == "scale" || c.part == "min"));
        CHECK(c.drawn == std::isnan(c.score));
        CHECK_FALSE((c.drawn && c.outside_taylor.empty()));
    }
    CHECK(numbers.size() == 6);  // all there are: each once
}

TEST_CASE("shards of a choice put together are the choice in one piece")
{
    memory_model m;
    random_stream random(11);
    for (const char* name : {"a", "b", "c", "d", "e"}) {
        std::vector<double> values;
        for (int i = 0; i < 20; ++i)
            values.push_back(random.below(3) == 0 ? 0.5 : random.normal());  // some are equal
        m.add<float>(name, values);
    }
    m.add<float>("f.bias", {1});
    select_bits_options options = {.bits = "sign", .per_tensor_k = 4, .top_w = 15};
    const bit_selection whole = select_bits(m.get(), options);
    std::vector<bit_selection> shards;
    std::vector<select_bits_options> each;
    options.shard_count = 3;
    for (const std::size_t shard : {2, 0, 1}) {
        options.shard = shard;
        shards.push_back(select_bits(m.get(), options));
        each.push_back(options);
    }
    CHECK(shards[0].tensor_count == 1);
    const bit_selection merged = merge_bit_selections(shards, each);
    CHECK(merged.tensor_count == 5);
    CHECK(merged.weight_count == whole.weight_count);
    CHECK(merged.flips.total() == whole.flips.total());
    CHECK(merged.passed_over == whole.passed_over);
    REQUIRE(merged.candidates.size() == whole.candidates.size());
    bool same = true;
    for (std::size_t i = 0; i < whole.candidates.size(); ++i)
        same = same && merged.candidates[i].name == whole.candidates[i].name && merged.candidates[i].flat == whole.candidates[i].flat
            && merged.candidates[i].score == whole.candidates[i].score;
    CHECK(same);

    const std::string who = "weightscope::merge_bit_selections(shards, options): ";
    CHECK_THROWS_WITH(merge_bit_selections(std::span(shards).first(2), std::span(each).first(2)), who + "2 of 3 shards are given, expected all of them");
    CHECK_THROWS_WITH(merge_bit_selections(shards, std::span(each).first(2)), who + "3 shards have 2 options, expected those of each");
    each[1].top_w = 3;
    CHECK_THROWS_WITH(merge_bit_selections(shards, each), who + "shard 1 of 3 has other settings than shard 0; expected parts of one choice");
    options.shard = 7;
    options.shard_count = 8;
    CHECK_THROWS_WITH(select_bits(m.get(), options), "weightscope::select_bits(model, options): there are 5 tensors to choose from, too few for shard 7 of 8");
    options.outside_w = 1;
    CHECK_THROWS_WITH(select_bits(m.get(), options),
                      "weightscope::select_bits(model, options): options.outside_w draws from the whole model, which a shard is not; draw without shards");
    options.shard = 8;
    CHECK_THROWS_WITH(select_bits(m.get(), options), "weightscope::select_bits(model, options): options.shard is 8 of 8, expected below the count");
}

TEST_CASE("a wrong choice of weights is told")
{
    memory_model m;
    m.add<float>("a.bias", {1});
    CHECK_THROWS_WITH(select_bits(m.get()), "weightscope::select_bits(model, options): no tensor is left that has bits to choose from; biases are passed "
                                            "over unless options.allow_bias is set");
    CHECK_THROWS_WITH(select_bits(m.get(), {.method = bit_method::taylor, .allow_bias = true}),
                      "weightscope::select_bits(model, options): options.method taylor needs gradients; give an evaluator, or numbers from a file");
    CHECK_THROWS_WITH(select_bits(m.get(), {.trust_radius = 0}), "weightscope::select_bits(model, options): options.trust_radius is 0, expected above 0");
    CHECK_THROWS_WITH(select_bits(m.get(), {.oversample = 0}), "weightscope::select_bits(model, options): options.oversample is 0, expected 1 or more");
    auto other = make_quadratic<quadratic_model<float>>(6, 3);
    CHECK_THROWS_WITH(select_bits(m.get(), other, {.allow_bias = true}),
                      "weightscope::select_bits(model, evaluator, options): the evaluator has none of the tensors under their names");
    CHECK_THROWS_WITH(select_bits(other, {.step = 0}), "weightscope::select_bits(evaluator, options): options.step is 0, expected above 0");
    CHECK_THROWS_WITH(select_bits(m.get(), {.allow_bias = true, .parts = {"zero"}}),
                      "weightscope::select_bits(model, options): options.parts: there is no part 'zero', expected code, scale, min, sub_scale or sub_min");
    CHECK_THROWS_WITH(parse_bit_method("best"),
                      "weightscope::parse_bit_method(name): 'best' is no method, expected auto, magnitude, gradient, taylor, flip_aware or flip_size");
}
