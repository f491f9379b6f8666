// Writes a small GPT-2 with known illnesses, the same bytes on every machine: something to try a scan on.
//
//     $ sick_sample sick_sample.safetensors
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/random.hpp>
#include <weightscope/io/safetensors.hpp>

struct layer
{
    std::string name;
    std::vector<std::size_t> shape;
    std::vector<float> values;

    float& operator()(std::size_t i, std::size_t j) { return values[i * shape[1] + j]; }
};

std::vector<layer> healthy_gpt2(std::size_t width, std::size_t vocabulary, std::size_t context, std::size_t blocks)
{
    std::vector<layer> layers;
    weightscope::random_stream random(20240229);
    const auto add = [&](const std::string& name, const std::vector<std::size_t>& shape, double std, double mean = 0) {
        layer& l = layers.emplace_back(layer{name, shape, {}});
        l.values.resize(shape[0] * (shape.size() > 1 ? shape[1] : 1));
        for (float& w : l.values)
            w = static_cast<float>(std::fma(std, random.normal(), mean));
    };
    const auto add_linear = [&](const std::string& name, std::size_t in, std::size_t out) {
        add(name + ".weight", {in, out}, 0.02);  // GPT-2's Conv1D is stored [in, out]
        add(name + ".bias", {out}, 0.01);
    };
    const auto add_norm = [&](const std::string& name) {
        add(name + ".weight", {width}, 0.05, 1);
        add(name + ".bias", {width}, 0.01);
    };
    add("transformer.wte.weight", {vocabulary, width}, 0.02);
    add("transformer.wpe.weight", {context, width}, 0.02);
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::string block = fmt::format("transformer.h.{}.", i);
        add_norm(block + "ln_1");
        add_linear(block + "attn.c_attn", width, 3 * width);
        add_linear(block + "attn.c_proj", width, width);
        add_norm(block + "ln_2");
        add_linear(block + "mlp.c_fc", width, 4 * width);
        add_linear(block + "mlp.c_proj", 4 * width, width);
    }
    add_norm("transformer.ln_f");
    return layers;
}

// Each plants one illness and says so.
std::string plant_outliers(layer& l, std::size_t count)
{
    weightscope::random_stream random(1);
    std::vector<bool> hit(l.values.size());
    for (std::size_t planted = 0; planted < count;) {
        const std::size_t i = random.below(hit.size());
        l.values[i] *= hit[i] ? 1 : 30;
        planted += !hit[i];
        hit[i] = true;
    }
    return fmt::format("{}: {} of {} entries are 30 times too large", l.name, count, hit.size());
}
std::string plant_dead_neurons(layer& l, std::size_t count)
{
    for (std::size_t i = 0; i < l.shape[0]; ++i)
        for (std::size_t k = 0; k < count; ++k)
            l(i, 61 * k + 5) = 0;
    return fmt::format("{}: {} of {} outputs have no weights", l.name, count, l.shape[1]);
}
std::string plant_dependence(layer& l)
{
    for (std::size_t i = 0; i < l.shape[0]; ++i)
        l(i, 100) = l(i, 7) + l(i, 42);
    return fmt::format("{}: output 100 is the sum of outputs 7 and 42, but for rounding", l.name);
}
std::string plant_low_rank(layer& l, std::size_t rank)
{
    const auto left = weightscope::random_normal<float>({l.shape[0], rank}, {.seed = 2});
    const auto right = weightscope::random_normal<float>({rank, l.shape[1]}, {.seed = 3, .std = 0.007});
    l.values.assign(l.values.size(), 0);
    for (std::size_t i = 0; i < l.shape[0]; ++i)
        for (std::size_t k = 0; k < rank; ++k)
            for (std::size_t j = 0; j < l.shape[1]; ++j)
                l(i, j) = std::fma(left(i, k), right(k, j), l(i, j));
    return fmt::format("{}: a product of rank {}", l.name, rank);
}
std::string plant_nan(layer& l, std::size_t count)
{
    for (std::size_t k = 0; k < count; ++k)
        l.values[25013 * (k + 1)] = std::numeric_limits<float>::quiet_NaN();
    return fmt::format("{}: {} of {} entries are NaN", l.name, count, l.values.size());
}

int main(int argc, char** argv)
try {
    if (argc != 2) {
        fmt::print(stderr, "sick_sample: error: expected one argument; usage: sick_sample OUT.safetensors\n");
        return 2;
    }
    std::vector<layer> layers = healthy_gpt2(192, 2048, 256, 4);
    const auto at = [&](const std::string& name) -> layer& {
        return *std::find_if(layers.begin(), layers.end(),
                             [&](const layer& l) { return l.name == "transformer." + name; });
    };
    std::vector<std::string> planted = {
        plant_outliers(at("wpe.weight"), 1474),  // 3 %
        plant_dead_neurons(at("h.0.mlp.c_fc.weight"), 12),
        plant_dependence(at("h.1.attn.c_proj.weight")),
        plant_low_rank(at("h.2.mlp.c_proj.weight"), 8),
        plant_nan(at("h.3.attn.c_attn.weight"), 3),
        "lm_head.weight: stored, although equal to transformer.wte.weight",
    };
    layer head = at("wte.weight");
    head.name = "lm_head.weight";
    layers.push_back(head);

    std::vector<weightscope::tensor_to_write> tensors;
    tensors.reserve(layers.size());
    for (const layer& l : layers)
        tensors.push_back({.name = l.name, .shape = l.shape, .bytes = std::as_bytes(std::span(l.values))});
    weightscope::write_safetensors(argv[1], tensors);
    for (const std::string& line : planted)
        fmt::print("{}\n", line);
} catch (const std::exception& error) {
    fmt::print(stderr, "sick_sample: error: {}\n", error.what());
    return 4;
}
