#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <weightscope/core/error.hpp>
#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>
#include <weightscope/quantizers/uniform.hpp>
#include <weightscope/report/allocation_console.hpp>
#include <weightscope/report/allocation_csv.hpp>
#include <weightscope/report/allocation_json.hpp>
#include <weightscope/report/allocation_recipes.hpp>
#include <weightscope/report/allocation_result.hpp>
#include <weightscope/report/allocation_steps.hpp>
#include <weightscope/study/allocation_losses.hpp>
#include <weightscope/study/allocation_plan.hpp>
#include <weightscope/study/allocation_rules.hpp>
#include <weightscope/study/allocation_table_file.hpp>
#include <weightscope/study/open_packed.hpp>
#include <weightscope/study/packed_model.hpp>

#include "../catch.hpp"
#include "../report/schema_check.hpp"
#include "small_model.hpp"

using namespace weightscope;
using study_tests::model_in_memory;
using study_tests::small_model;
namespace fs = std::filesystem;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const scheme int3{.bits = 3, .granularity = scale_granularity::per_group, .group_size = 32};
const scheme int4{.bits = 4, .granularity = scale_granularity::per_group, .group_size = 32};

class temporary_file
{
public:
    explicit temporary_file(const std::string& text = {})
        : path_(fs::temp_directory_path() / ("weightscope-plan-" + std::to_string(::getpid()) + "-" + std::to_string(count_++)))
    {
        if (!text.empty())
            std::ofstream(path_) << text;
    }
    ~temporary_file() { fs::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    const fs::path& path() const { return path_; }

private:
    static inline int count_ = 0;
    fs::path path_;
};

allocation_plan_options three_formats(double bits)
{
    return {.bits_per_weight = bits, .candidates = {"int3-g32", "int4-g32", "keep"}};
}

const plan_item& item_of(const allocation_plan& plan, const std::string& layer)
{
    for (const plan_item& item : plan.items)
        for (const std::size_t i : item.layers)
            if (plan.study.layers[i].name == layer)
                return item;
    throw std::runtime_error("no item has " + layer);
}

std::string format_of(const allocation_plan& plan, const std::string& layer)
{
    const plan_item& item = item_of(plan, layer);
    return detail::plan_format_name(plan, item.options[item.chosen].scheme);
}

// Blocks of a LLaMA, one of them with outliers, and rows that are no multiple of 256.
model_in_memory small_llama(std::size_t blocks)
{
    model_in_memory m;
    for (std::size_t b = 0; b < blocks; ++b) {
        const std::string block = "model.layers." + std::to_string(b) + ".";
        m.add(block + "self_attn.q_proj.weight", random_normal<float>({16, 64}, {.seed = 10 * b}))
            .add(block + "self_attn.v_proj.weight", random_normal<float>({16, 64}, {.seed = 10 * b + 1}))
            .add(block + "mlp.down_proj.weight", random_normal<float>({8, 256}, {.seed = 10 * b + 2}))
            .add(block + "input_layernorm.weight", random_normal<float>({64}, {.seed = 10 * b + 3}));
    }
    m.add("lm_head.weight", random_normal<float>({12, 64}, {.seed = 99}));
    return m;
}

}  // namespace

TEST_CASE("a plan is the best of all choices for its layers")
{
    model_in_memory m = small_model();
    const allocation_plan plan = plan_allocation(*m, three_formats(9));
    // q, up with its copy, conv, two experts, q, down, lm_head
    REQUIRE(plan.items.size() == 8);
    CHECK(plan.solution.proven);
    CHECK(plan.solution.gap == 0);
    std::vector<std::size_t> at(8);
    double best = infinity;
    while (true) {
        double loss = 0;
        std::uint64_t bytes = plan.kept_bytes;
        for (std::size_t g = 0; g < 8; ++g) {
            loss += plan.items[g].options[at[g]].loss;
            bytes += plan.items[g].options[at[g]].bytes;
        }
        best = bytes <= plan.budget ? std::min(best, loss) : best;
        std::size_t g = 0;
        while (g < 8 && ++at[g] == 3)
            at[g++] = 0;
        if (g == 8)
            break;
    }
    CHECK(plan.solution.loss == best);
    const variant_result& variant = plan.study.variants[plan.variant];
    CHECK(variant.bytes <= plan.budget);
    CHECK(plan.bits_per_weight <= 9);
    CHECK(variant.bytes == plan.kept_bytes + plan.solution.costs.front());
    // a copy takes the format of what it equals, and both count
    const plan_item& up = item_of(plan, "layers.0.up.weight");
    CHECK(up.layers.size() == 2);
    const std::vector<std::size_t> up_shape = {32, 48};
    const storage_size of_one = storage_bytes(up_shape, int3);
    CHECK(up.options.front().bytes == 2 * of_one.bytes());
}

TEST_CASE("losses of a layer are what quantizing it gives")
{
    model_in_memory m = small_model();
    const xt::xtensor<float, 2> w = random_normal<float>({24, 70}, {.seed = 2});
    const auto decoded = dequantize<double>(quantize_uniform(w, int3));
    std::vector<double> squares(70);
    for (std::size_t j = 0; j < 70; ++j)
        squares[j] = 0.5 + static_cast<double>(j % 7);
    double error = 0, signal = 0, weighted = 0, weighted_signal = 0;
    for (std::size_t i = 0; i < 24; ++i)
        for (std::size_t j = 0; j < 70; ++j) {
            const double value = w(i, j), e = value - decoded(i, j);
            error += e * e;
            signal += value * value;
            weighted += squares[j] * e * e;
            weighted_signal += squares[j] * value * value;
        }
    allocation_plan_options options = three_formats(9);
    options.include = {"layers.0.q"};
    options.rules = false;
    allocation_sources sources;
    activation_statistics seen{.tensor = "layers.0.q.weight", .rows = 4};
    std::vector<double> curvature(w.size());
    for (std::size_t i = 0; i < curvature.size(); ++i)
        curvature[i] = squares[i % 70];
    for (const double square : squares)
        seen.sums_of_squares.push_back(4 * square);
    sources.data.add("layers.0.q.weight", [&](importance_info& info) {
        info.activations = seen;
        info.hessian_diag = importance_values(curvature);
        info.squared_gradients = importance_values(curvature);
    });
    const auto loss_as = [&](allocation_loss loss) {
        options.loss = loss;
        options.bits_per_weight = 60;
        const allocation_plan plan = plan_allocation(*m, options, sources);
        return plan.items.front().options.front().loss;
    };
    // sums in another order
    CHECK(loss_as(allocation_loss::error) == Approx(error).epsilon(1e-12));
    CHECK(loss_as(allocation_loss::relative_error) == Approx(error / signal).epsilon(1e-12));
    CHECK(loss_as(allocation_loss::activation_error) == Approx(weighted).epsilon(1e-12));
    CHECK(loss_as(allocation_loss::relative_activation_error) == Approx(weighted / weighted_signal).epsilon(1e-12));
    CHECK(loss_as(allocation_loss::curvature) == Approx(weighted / 2).epsilon(1e-12));
    CHECK(loss_as(allocation_loss::fisher) == Approx(weighted / 2).epsilon(1e-12));
    sources.traces = {{"layers.0.q.weight", {.value = 3 * 1680.0, .standard_error = 1680}}};
    CHECK(loss_as(allocation_loss::curvature) == Approx(1.5 * error).epsilon(1e-12));
}

TEST_CASE("layers that nothing is known of count as the others on average")
{
    model_in_memory m = small_model();
    allocation_plan_options options = three_formats(40);
    options.rules = false;
    options.include = {"q.weight"};
    options.loss = allocation_loss::curvature;
    const allocation_plan plan = plan_allocation(*m, options, {.name = "t.csv", .traces = {{"layers.0.q.weight", {.value = 2 * 1680.0}}}});
    REQUIRE(plan.notes.size() == 1);
    CHECK(plan.notes.front() == "nothing is known of 1 layer, layers.1.q.weight first: it is taken to be as sensitive as the others on average");
    for (const plan_item& item : plan.items)  // the mean curvature of 2, halved
        CHECK(item.options.front().loss == Approx(plan.study.layers[item.layers.front()].figures.front().error.sums.squared_error).epsilon(1e-12));
    CHECK_THROWS_WITH(plan_allocation(*m, options, {.traces = {{"x", {.value = 1}}}}),
                      "weightscope::plan_allocation(model, options, sources): sources has nothing that fits any layer, such as layers.0.q.weight; "
                      "names and shapes must be those of the model");
}

TEST_CASE("the file of a plan has the size that was promised")
{
    model_in_memory m = small_model();
    const temporary_file file;
    for (const std::uint64_t size : {13'000, 15'500, 20'001}) {
        const allocation_plan plan = plan_allocation(*m, {.size = size, .candidates = {"int3-g32", "int4-g32-asym", "int8-per-channel-sym", "keep"}});
        CHECK(plan.file_bytes <= size);
        write_packed(file.path(), *m, plan.study, plan.variant);
        CHECK(fs::file_size(file.path()) == plan.file_bytes);
        const packed_model packed = open_packed(file.path());
        for (const packed_layer& layer : packed.layers)
            CHECK(to_string(layer.scheme) == format_of(plan, layer.name));
    }
    const allocation_plan plan = plan_allocation(*m, three_formats(10));
    write_packed(file.path(), *m, plan.study, plan.variant);
    CHECK(fs::file_size(file.path()) == plan.file_bytes);
}

TEST_CASE("the types of runtimes are planned and packed by the bytes of their blocks")
{
    model_in_memory m = small_llama(2);
    const temporary_file file;
    for (const std::vector<std::string>& candidates : std::vector<std::vector<std::string>>{{"q4_0", "q8_0"}, {"mxfp4", "nvfp4", "fp8-e4m3"}, {"nf4-g64", "q4_1", "gptq-int4-asym"}}) {
        const allocation_plan plan = plan_allocation(*m, {.size = 14'000, .candidates = candidates, .rules = false});
        CHECK(plan.file_bytes <= 14'000);
        write_packed(file.path(), *m, plan.study, plan.variant);
        CHECK(fs::file_size(file.path()) == plan.file_bytes);
    }
    // a size that is just too small tells the smallest file, and that is one
    std::uint64_t smallest = 0;
    try {
        (void)plan_allocation(*m, {.size = 6'000, .candidates = {"q4_0", "q8_0"}, .rules = false});
        FAIL("6,000 bytes were enough");
    } catch (const std::invalid_argument& error) {
        const std::string text = error.what();
        REQUIRE_THAT(text, Catch::Contains("no plan was found whose file has 6000 bytes or less, header included, and the smallest one has "));
        smallest = std::stoull(text.substr(text.find("smallest one has ") + 17));
    }
    CHECK(plan_allocation(*m, {.size = smallest, .candidates = {"q4_0", "q8_0"}, .rules = false}).file_bytes <= smallest);
    const allocation_plan plan = plan_allocation(*m, {.bits_per_weight = 6, .candidates = {"q4_0", "q8_0"}, .rules = false});
    // blocks of 32: 18 and 34 bytes
    CHECK(item_of(plan, "lm_head.weight").options.front().bytes == 12 * 2 * 18);
    CHECK(item_of(plan, "lm_head.weight").options.back().bytes == 12 * 2 * 34);
    const quantization_recipe recipe = to_recipe(plan, recipe_format::llama_quantize);
    CHECK(recipe.notes.empty());
    CHECK(recipe.bytes == plan.study.variants[plan.variant].bytes);
}

TEST_CASE("ties, pins and limits are kept to")
{
    model_in_memory m = small_llama(4);
    allocation_plan_options options = three_formats(4.9);
    options.rules = false;
    options.ties = {R"(layers\.(\d+)\.self_attn\.[qv]_proj)"};
    options.pins = {{.pattern = "lm_head", .format = "int8-per-channel-sym"}, {.pattern = "2.mlp", .format = "int3-g32"}};
    options.least_bits = {{.pattern = "layers.3.mlp", .bits = 4.1}};
    options.most_bits = {{.pattern = "layers.3.mlp", .bits = 8}};
    const allocation_plan plan = plan_allocation(*m, options);
    CHECK(plan.items.size() == 4 + 4 + 1);
    for (const std::string block : {"0", "1", "2", "3"})
        CHECK(format_of(plan, "model.layers." + block + ".self_attn.q_proj.weight") == format_of(plan, "model.layers." + block + ".self_attn.v_proj.weight"));
    CHECK(format_of(plan, "lm_head.weight") == "int8-per-channel-sym");
    CHECK(format_of(plan, "model.layers.2.mlp.down_proj.weight") == "int3-g32");
    CHECK(format_of(plan, "model.layers.3.mlp.down_proj.weight") == "int4-g32");
    CHECK(std::isinf(item_of(plan, "lm_head.weight").margin.margin));
    options.ties = {"self_attn"};  // without groups all of them agree
    CHECK(plan_allocation(*m, options).items.size() == 1 + 4 + 1);
}

TEST_CASE("losses from outside decide, and their standard errors tell what is firm")
{
    model_in_memory m = small_llama(2);
    const temporary_file csv("layer,scheme,value,standard_error\n"
                             "model.layers.0.mlp.down_proj.weight,int3-g32,9,0.5\nmodel.layers.0.mlp.down_proj.weight,int4-g32,1,0.1\n"
                             "model.layers.1.mlp.down_proj.weight,int3-g32,8.7,\n\"model.layers.1.mlp.down_proj.weight\",int4-g32,1,0.1\n");
    allocation_plan_options options{.candidates = {"int3-g32", "int4-g32"}, .loss = allocation_loss::given, .include = {"down_proj"}};
    const std::vector<std::size_t> shape = {8, 256};
    options.rules = false;
    std::uint64_t kept = 0;
    for (const named_tensor& tensor : (*m).tensors)
        kept += tensor.name.find("down_proj") == tensor.name.npos ? tensor.bytes.size() : 0;
    std::size_t parameters = 0;
    for (const named_tensor& tensor : (*m).tensors)
        parameters += tensor.size();
    // room for one of the two in four bits
    const std::uint64_t room = kept + storage_bytes(shape, int3).bytes() + storage_bytes(shape, int4).bytes();
    options.bits_per_weight = 8 * static_cast<double>(room) / static_cast<double>(parameters) + 1e-9;
    const allocation_plan plan = plan_allocation(*m, options, {.name = "t.csv", .losses = read_allocation_losses(csv.path())});
    CHECK(format_of(plan, "model.layers.0.mlp.down_proj.weight") == "int4-g32");
    CHECK(format_of(plan, "model.layers.1.mlp.down_proj.weight") == "int3-g32");
    CHECK(plan.solution.loss == 9.7);
    // the other way round loses 10: 0.3 more, less than the error of 0.5
    const plan_item& first = item_of(plan, "model.layers.0.mlp.down_proj.weight");
    CHECK(first.margin.margin == Approx(0.3).epsilon(1e-12));
    CHECK(first.margin.flips);
    CHECK_FALSE(item_of(plan, "model.layers.1.mlp.down_proj.weight").margin.flips);

    const temporary_file json(R"([{"layer": "a", "scheme": "int4-g64", "value": 2, "standard_error": null}])");
    const auto read = read_allocation_losses(json.path());
    REQUIRE(read.size() == 1);
    CHECK(read.begin()->first == std::pair<std::string, std::string>("a", "int4-g64"));
    CHECK(read.begin()->second.value == 2);
    const auto faults = [](const std::string& text) {
        const temporary_file file(text);
        try {
            (void)read_allocation_losses(file.path());
        } catch (const io_error& error) {
            return std::string(error.what()).substr(file.path().string().size());
        }
        return std::string();
    };
    CHECK(faults("layer,scheme,value\na,int9,1\n") == ": entry 1: scheme: no scheme is named 'int9'");
    CHECK(faults("layer,scheme,value\na,int4-g64,x\n") == ": entry 1: value: is 'x', expected a finite number");
    CHECK(faults("layer,scheme,value\na,int4-g64,nan\n") == ": entry 1: value: is 'nan', expected a finite number");
    CHECK(faults("layer,scheme,value\na,int4-g64,1\nb,int4-g64,-inf\n") == ": entry 2: value: is '-inf', expected a finite number");
    CHECK(faults("layer,scheme,value,standard_error\na,int4-g64,1,inf\n") == ": entry 1: standard_error: is 'inf', expected a finite number from 0 on");
    CHECK(faults("layer,scheme,value,standard_error\na,int4-g64,1,-1\n") == ": entry 1: standard_error: is '-1', expected a finite number from 0 on");
    CHECK(faults("layer,value\na,1\n") == ": entry 1: lacks 'scheme', expected layer, scheme, value and where known standard_error");
    CHECK(faults("layer,scheme,value\na,int4-g64,1\na,int4-g64,1\n") == ": entry 2: is the second one of a in int4-g64");
    CHECK(faults("layer,scheme,value\n") == ": has no entries");
    CHECK(faults("layer,\"scheme") == ": has a quote that does not end");
    CHECK(faults("{}") == ": is no list of objects such as {\"layer\": \"a\", \"scheme\": \"int4-g64\", \"value\": 0.5}");
}

TEST_CASE("the blocks with more bits are the first and last eighth and every third between")
{
    std::vector<std::size_t> more;
    for (std::size_t block = 0; block < 32; ++block)
        if (detail::has_more_bits(block, 32))
            more.push_back(block);
    CHECK(more == std::vector<std::size_t>{0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31});
    CHECK(detail::plan_role_of("model.layers.7.self_attn.v_proj.weight").block == 7);
    CHECK(detail::plan_role_of("model.layers.7.self_attn.v_proj.weight").is == detail::plan_role::kind::value);
    CHECK(detail::plan_role_of("transformer.h.3.mlp.c_proj.weight").is == detail::plan_role::kind::down);
    CHECK(detail::plan_role_of("blk.3.attn_k.weight").is == detail::plan_role::kind::other);
    CHECK(detail::plan_role_of("lm_head.weight").is == detail::plan_role::kind::output);
    CHECK_FALSE(detail::plan_role_of("features.0.weight").block);
}

TEST_CASE("rules of thumb stand beside the plan of the same bytes")
{
    model_in_memory m = small_llama(4);
    const allocation_plan plan = plan_allocation(*m, {.bits_per_weight = 5, .candidates = {"int3-g32", "int4-g32", "keep"}});
    std::vector<std::string> names;
    for (const plan_rule& rule : plan.rules) {
        names.push_back(rule.name);
        REQUIRE(rule.lost_by_rule.exists());
        CHECK(rule.bytes == plan.study.variants[rule.variant].bytes);
        if (rule.name != "outliers and SQNR")  // its formats are no candidates
            CHECK(rule.optimum_loss.value <= rule.loss);
        CHECK(rule.lost_by_rule.value == Approx(rule.loss / rule.optimum_loss.value - 1).epsilon(1e-12));
    }
    CHECK(names == std::vector<std::string>{"outliers and SQNR", "int4-g32", "int3-g32 with int4-g32", "int3-g32"});
    // Gaussian weights in INT8 have some 40 dB less: INT16 or as stored
    const variant_result& mixture = plan.study.variants[plan.rules[2].variant];
    std::vector<std::string> better;
    for (std::size_t i = 0; i < mixture.picks.size(); ++i)
        if (mixture.picks[i].scheme == 1)
            better.push_back(plan.study.layers[i].name);
    CHECK(better == std::vector<std::string>{"model.layers.2.self_attn.v_proj.weight", "model.layers.2.mlp.down_proj.weight",
                                             "model.layers.3.self_attn.v_proj.weight", "model.layers.3.mlp.down_proj.weight", "lm_head.weight"});
}

TEST_CASE("budgets, candidates and patterns that cannot be are refused")
{
    model_in_memory m = small_model();
    const auto plan = [&](const allocation_plan_options& options) { return plan_allocation(*m, options); };
    const std::string caller = "weightscope::plan_allocation(model, options, sources): ";
    CHECK_THROWS_WITH(plan({}), caller + "options has no budget, expected bits_per_weight, size, bit_operations or latency");
    CHECK_THROWS_WITH(plan({.bit_operations = -1}), caller + "options.bit_operations is -1, expected 0 or more and finite");
    CHECK_THROWS_WITH(plan({.bit_operations = 1, .activation_bits = 0}), caller + "options.activation_bits is 0, expected 1 to 64");
    CHECK_THROWS_WITH(plan({.latency = 1}), caller + "options.latency is set and sources.latencies is empty, expected a number for each layer and candidate");
    CHECK_THROWS_WITH(plan_allocation(*m, {.latency = 1}, {.latencies = {{{"a", "keep"}, infinity}}}), caller + "the latency of a in keep is inf, expected 0 or more and finite");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 40, .loss = allocation_loss::measured}),
                      caller + "options.loss is measured and sources.losses is empty, expected a number for each layer and candidate");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 1, .size = 1}), caller + "options has both bits_per_weight and size, expected one of the two");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 0}), caller + "options.bits_per_weight is 0, expected above 0 and finite");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 4, .ties = {"("}}), Catch::Contains("options.ties has '(', which is no regular expression"));
    CHECK_THROWS_WITH(plan({.bits_per_weight = 40, .candidates = {"keep"}, .ties = {"none"}}),
                      caller + "options.ties has 'none', which matches no layer that can be quantized");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 40, .candidates = {"int4-g32"}, .least_bits = {{.pattern = "down", .bits = 9}}}),
                      caller + "no candidate gives layers.1.down.weight at least 9 bits per weight, which options.least_bits asks of 'down'");
    CHECK_THROWS_WITH(plan({.bits_per_weight = 40, .loss = allocation_loss::given}),
                      caller + "options.loss is given and sources.losses is empty, expected a number for each layer and candidate");
    // the smallest plan is told, and it is one
    double least = 0;
    try {
        (void)plan({.bits_per_weight = 3, .candidates = {"int3-g32", "int4-g32"}});
        FAIL("3 bits per weight were enough");
    } catch (const std::invalid_argument& error) {
        const std::string text = error.what();
        CHECK_THAT(text, Catch::Contains("the budget is ") && Catch::Contains("(3 bits per weight), and the smallest plan takes "));
        const std::size_t at = text.find('(', text.find("smallest plan")) + 1;
        least = std::stod(text.substr(at));
    }
    const allocation_plan smallest = plan({.bits_per_weight = least, .candidates = {"int3-g32", "int4-g32"}});
    for (const plan_item& item : smallest.items)
        CHECK(item.chosen == 0);
    CHECK_THROWS_AS(plan({.bits_per_weight = least - 0.01, .candidates = {"int3-g32", "int4-g32"}}), std::invalid_argument);
}

// Three matrices, a table and a kept head, small enough to try every choice.
model_in_memory small_stack()
{
    model_in_memory m;
    m.add("embed.weight", random_normal<float>({30, 16}, {.seed = 1}))
        .add("a.weight", random_normal<float>({16, 32}, {.seed = 2}))
        .add("b.weight", random_normal<float>({8, 96}, {.seed = 3}))
        .add("c.weight", random_normal<bfloat16>({64, 16}, {.seed = 4}))
        .add("head.weight", random_normal<float>({10, 16}, {.seed = 5}))
        .add("norm.weight", random_normal<float>({16}, {.seed = 6}));
    return m;
}

TEST_CASE("bit operations and latencies are budgets of their own and beside bytes")
{
    model_in_memory m = small_stack();
    const std::vector<std::string> names = {"int3-g32", "int4-g32", "int8-per-channel-sym", "keep"};
    allocation_plan_options options{.candidates = names, .rules = false, .exclude = {"head"}};
    // weights times bits times 16; the head stays in 32 bits, and a table is looked up
    const double head = 160 * 32 * 16;
    const std::vector<double> weights = {512, 768, 1024};
    const std::vector<std::vector<double>> bits = {{3, 4, 8, 32}, {3, 4, 8, 32}, {3, 4, 8, 16}};
    allocation_sources sources;
    const std::vector<std::vector<double>> latency = {{5, 4, 7, 1}, {2, 2.5, 3, 9}, {1, 1.25, 1.5, 6}};
    const char* const layers[] = {"a.weight", "b.weight", "c.weight"};
    for (std::size_t g = 0; g < 3; ++g)
        for (std::size_t f = 0; f < 4; ++f)
            sources.latencies[{layers[g], names[f]}] = latency[g][f];

    // the best of all 64 choices, by the losses and bytes of the plan's own table
    const auto check = [&](const allocation_plan& plan) {
        REQUIRE(plan.items.size() == 3);
        const auto option_of = [&](std::size_t g, std::size_t f) -> const plan_option& {
            return *std::find_if(plan.items[g].options.begin(), plan.items[g].options.end(),
                                 [&](const plan_option& o) { return detail::plan_format_name(plan, o.scheme) == names[f]; });
        };
        double best = infinity;
        for (std::size_t choice = 0; choice < 64; ++choice) {
            double loss = 0, operations = head, time = 0;
            std::uint64_t bytes = plan.kept_bytes;
            for (std::size_t g = 0; g < 3; ++g) {
                const std::size_t f = choice >> (2 * g) & 3;
                loss += option_of(g, f).loss;
                bytes += option_of(g, f).bytes;
                operations += weights[g] * bits[g][f] * 16;
                time += latency[g][f];
            }
            const bool fits = (!plan.settings.bits_per_weight || bytes <= plan.budget) && operations <= plan.settings.bit_operations.value_or(infinity)
                              && time <= plan.settings.latency.value_or(infinity) * (1 + 1e-9);
            best = fits ? std::min(best, loss) : best;
        }
        CHECK(plan.solution.proven);
        CHECK(plan.solution.loss == Approx(best).epsilon(1e-12));
        for (const plan_budget& budget : plan.budgets) {
            CHECK(budget.used <= budget.limit * (1 + 1e-9));
            CHECK(budget.least <= budget.used * (1 + 1e-12));
        }
    };
    for (const double operations : {200'000.0, 250'000.0, 300'000.0, 600'000.0}) {
        options.bit_operations = operations;
        const allocation_plan plan = plan_allocation(*m, options);
        check(plan);
        REQUIRE(plan.budgets.size() == 1);
        CHECK(plan.budgets[0].name == "bit operations");
        CHECK(plan.budgets[0].least == head + 16 * 3 * 2304);
    }
    for (const double time : {7.25, 8.0, 10.5, 23.0}) {
        options.latency = time;
        options.bit_operations = {};
        check(plan_allocation(*m, options, sources));
        for (const double bits_per_weight : {13.0, 16.0}) {
            options.bits_per_weight = bits_per_weight;
            options.bit_operations = 400'000.0;
            const allocation_plan plan = plan_allocation(*m, options, sources);
            check(plan);
            REQUIRE(plan.budgets.size() == 3);
            CHECK(plan.budgets[0].used == static_cast<double>(plan.study.variants[plan.variant].bytes));
            const schema_check::json schema = schema_check::read_schema("allocate.schema.json");
            CHECK(schema_check::fault_of(nlohmann::json::parse(to_json(plan).dump()), schema, schema) == "");
        }
        options.bits_per_weight = {};
    }
    // 8 bits of activations count half
    options = {.candidates = names, .rules = false, .exclude = {"head"}, .bit_operations = 100'000.0, .activation_bits = 8};
    const allocation_plan eight = plan_allocation(*m, options);
    options.bit_operations = 200'000.0;
    options.activation_bits = 16;
    const allocation_plan sixteen = plan_allocation(*m, options);
    CHECK(eight.solution.choices == sixteen.solution.choices);
    CHECK_THAT(to_console(sixteen), Catch::Contains("No other choice within 200000 bit operations loses less"));

    // what cannot be is told, and what is nearest
    const std::string caller = "weightscope::plan_allocation(model, options, sources): ";
    options.bit_operations = 100'000.0;
    CHECK_THROWS_WITH(plan_allocation(*m, options), caller + "the budget is 100000 for bit operations, and no plan takes less than 192512; ask for that much, or "
                                                             "allow smaller candidates or more tensors");
    options.bit_operations = {};
    options.latency = 4.5;  // a, b and c at their fastest: 1 + 2 + 1, and then a is kept
    options.bits_per_weight = 13;
    std::uint64_t nearest = 0;
    try {
        (void)plan_allocation(*m, options, sources);
        FAIL("two budgets that exclude each other were kept to");
    } catch (const std::invalid_argument& error) {
        const std::string text = error.what();
        CHECK_THAT(text, Catch::Contains("no plan keeps to all budgets at once; within the others the smallest one there is takes "));
        nearest = std::stoull(text.substr(text.find("takes ") + 6));
    }
    options.bits_per_weight = {};
    options.size = {};
    options.latency = 4.5;
    const allocation_plan free = plan_allocation(*m, options, sources);
    CHECK(free.items[0].options[free.items[0].chosen].scheme == kept_as_stored);
    options.bits_per_weight = 8 * (static_cast<double>(nearest) + 0.5) / static_cast<double>(free.study.model.parameters);
    CHECK(plan_allocation(*m, options, sources).study.variants.back().bytes == nearest);
    options.bits_per_weight = 8 * (static_cast<double>(nearest) - 0.5) / static_cast<double>(free.study.model.parameters);
    CHECK_THROWS_AS(plan_allocation(*m, options, sources), std::invalid_argument);

    // a format without a latency is no choice, and a layer without one is refused
    sources.latencies.erase({"a.weight", "keep"});
    options = {.candidates = names, .rules = false, .exclude = {"head"}, .latency = 30};
    CHECK(plan_allocation(*m, options, sources).items[0].options.size() == 3);
    for (const std::string& name : names)
        sources.latencies.erase({"b.weight", name});
    CHECK_THROWS_WITH(plan_allocation(*m, options, sources), caller + "no latency, or no loss, is given for b.weight in any of the candidates, expected one for each "
                                                                      "layer and candidate");
}

TEST_CASE("rules of thumb leave the optimum as much of every budget as they take")
{
    model_in_memory m = small_stack();
    const allocation_plan plan = plan_allocation(*m, {.bits_per_weight = 16, .candidates = {"int4-g32", "int8-per-channel-sym"}, .bit_operations = 600'000.0});
    REQUIRE(plan.rules.size() >= 2);
    for (const plan_rule& rule : plan.rules)
        if (rule.name == "int4-g32" || rule.name == "int8-per-channel-sym") {
            CHECK(rule.optimum_loss.value == Approx(rule.loss).epsilon(1e-12));  // two formats, one of them in all layers: nothing better fits
            CHECK(rule.lost_by_rule.value == Approx(0).margin(1e-12));
        }
    const temporary_file table("layer,scheme,latency\na.weight,int4-g32,2\na.weight,keep,3\n");
    const auto read = read_latencies(table.path());
    CHECK(read.size() == 2);
    CHECK(read.at({"a.weight", "keep"}) == 3);
    const auto fault = [](const std::string& text) {
        const temporary_file file(text);
        try {
            (void)read_latencies(file.path());
        } catch (const io_error& error) {
            return std::string(error.what()).substr(file.path().string().size());
        }
        return std::string();
    };
    CHECK(fault("layer,scheme,latency\na,keep,-1\n") == ": entry 1: latency: is -1, expected 0 or more");
    CHECK(fault("layer,scheme,latency\na,keep,nan\n") == ": entry 1: latency: is 'nan', expected a finite number");
    CHECK(fault("layer,scheme,latency\na,keep,1\na,keep,1\n") == ": entry 2: is the second one of a in keep");
    CHECK(fault("layer,scheme,latency\na,int9,1\n") == ": entry 1: scheme: no scheme is named 'int9'");
}

TEST_CASE("a plan as text, CSV and JSON")
{
    model_in_memory m = small_model();
    allocation_plan_options options = three_formats(9);
    options.candidates.push_back("int5-g64");
    options.low_rank = true;
    const allocation_plan plan = plan_allocation(*m, options);
    const std::string text = to_console(plan, {.width = 150, .front = true});
    for (const char* part : {"No other choice within ", "gap 0", "rule of thumb", "next better", "margin", "layers.0.up.weight and 1 more", "front: bits per weight", "rank for 90 %"})
        CHECK_THAT(text, Catch::Contains(part));
    const std::string csv = to_csv(plan);
    CHECK(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')) == 1 + plan.study.layers.size());
    CHECK_THAT(csv, Catch::Contains("\nembed.weight,50x16,F32,800,3200,keep,3200,embedding,,,,,,\n"));
    const nlohmann::json document = nlohmann::json::parse(to_json(plan).dump());
    const schema_check::json schema = schema_check::read_schema("allocate.schema.json");
    CHECK(schema_check::fault_of(document, schema, schema) == "");
    std::uint64_t bytes = 0;
    for (const auto& [name, format] : document.at("formats").items())
        bytes += format.at("bytes").get<std::uint64_t>();
    CHECK(bytes == document.at("bytes"));
    for (std::size_t i = 1; i < plan.front.size(); ++i) {
        CHECK(plan.front[i].bytes > plan.front[i - 1].bytes);
        CHECK(plan.front[i].loss < plan.front[i - 1].loss);
    }
    CHECK(plan.front.back().loss == 0);
}

TEST_CASE("recipes name every layer and say where the tool does otherwise")
{
    model_in_memory m = small_llama(2);
    allocation_plan_options options{.bits_per_weight = 32, .candidates = {"int4-g64"}, .pins = {{.pattern = "lm_head", .format = "keep"}}};
    options.rules = false;
    options.pins.push_back({.pattern = "0.mlp", .format = "int8-per-channel-sym"});
    const allocation_plan plan = plan_allocation(*m, options);

    const quantization_recipe llama = to_recipe(plan, recipe_format::llama_quantize);
    CHECK(llama.text == "^blk\\.0\\.attn_q\\.weight$=q5_0\n^blk\\.0\\.attn_v\\.weight$=q5_0\n^blk\\.0\\.ffn_down\\.weight$=q8_0\n"
                        "^blk\\.1\\.attn_q\\.weight$=q5_0\n^blk\\.1\\.attn_v\\.weight$=q5_0\n^blk\\.1\\.ffn_down\\.weight$=q4_k\n^output\\.weight$=f32\n");
    // q5_0: 22 bytes for 32; q8_0: 34 for 32; q4_k: 144 for 256; vectors and the output in F32
    CHECK(llama.bytes == 4 * (16 * 64 / 32 * 22) + 8 * 256 / 32 * 34 + 8 * 144 + 2 * 64 * 4 + 12 * 64 * 4);
    REQUIRE(llama.notes.size() == 6);
    CHECK(llama.notes[0] == "blk.0.attn_q.weight: 64 columns are no multiple of 256: q5_0 instead of q4_k");
    CHECK(llama.notes[4] == "int4-g64 has no type of its own in llama.cpp: q4_k stands for it");

    // what is kept of a GGUF file keeps its blocks
    const auto kept_type = [](const std::string& dtype, std::vector<std::size_t> shape) {
        return std::string(detail::llama_type_of_kept({.name = "x", .shape = std::move(shape), .dtype = dtype}));
    };
    CHECK(kept_type("Q6_K", {256, 256}) == "q6_k");
    CHECK(kept_type("Q4_0", {32, 32}) == "q4_0");
    CHECK(kept_type("BF16", {2, 2}) == "bf16");
    CHECK(kept_type("F64", {2, 2}) == "f32");
    CHECK(kept_type("F16", {2}) == "f32");
    CHECK(kept_type("I8", {2, 2}).empty());

    const quantization_recipe config = to_recipe(plan, recipe_format::compressed_tensors);
    const nlohmann::json parsed = nlohmann::json::parse(config.text);
    CHECK(parsed.at("quant_method") == "compressed-tensors");
    CHECK(parsed.at("ignore") == nlohmann::json{"lm_head"});
    REQUIRE(parsed.at("config_groups").size() == 2);
    std::size_t targets = 0;
    for (const auto& [name, group] : parsed.at("config_groups").items()) {
        targets += group.at("targets").size();
        const bool four = group.at("weights").at("num_bits") == 4;
        CHECK(group.at("weights").at("strategy") == (four ? "group" : "channel"));
        if (!four)
            CHECK(group.at("targets") == nlohmann::json{"re:^model\\.layers\\.0\\.mlp\\.down_proj$"});
    }
    CHECK(targets == 6);
    // int4: eight codes to a word, a scale of 2 bytes for each group, and the shape in 16 bytes
    CHECK(config.bytes == 4 * (16 * 64 / 2 + 16 * 2 + 16) + (8 * 256 / 2 + 8 * 4 * 2 + 16) + (8 * 256 + 8 * 2 + 16) + 2 * 64 * 4 + 12 * 64 * 4);
    const std::string yaml = to_recipe(plan, recipe_format::llm_compressor).text;
    CHECK_THAT(yaml, Catch::Contains("default_stage:\n  default_modifiers:\n    QuantizationModifier:\n      ignore: [\"lm_head\"]\n"));

    const nlohmann::json onnx =
        nlohmann::json::parse(to_recipe(plan, recipe_format::onnxruntime, {{"model.layers.1.mlp.down_proj.weight", {"/down/MatMul"}}, {"lm_head.weight", {"/head"}}}).text);
    CHECK(onnx.at("formats").at("int4-g64").at("nodes_to_include").back() == "/down/MatMul");
    CHECK(onnx.at("formats").at("int8-per-channel-sym").at("nodes_to_quantize") == nlohmann::json{"model.layers.0.mlp.down_proj.weight"});
    CHECK(onnx.at("nodes_to_exclude") == nlohmann::json{"/head"});

    options.candidates = {"int3-g64"};
    const allocation_plan three = plan_allocation(*m, options);
    CHECK_THROWS_WITH(to_recipe(three, recipe_format::onnxruntime),
                      "weightscope::to_recipe(plan, format): ONNX Runtime has no form for model.layers.0.self_attn.q_proj.weight in int3-g64: only INT8 per "
                      "tensor and per channel, and for matrices 2, 4 or 8 bits in groups of 16, 32, 64...; choose other candidates");
}
