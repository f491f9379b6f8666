// Models for tests of bit flips.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/ggml_bits.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/random_stream.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>

#include "../evaluators/models.hpp"
#include "../io/files.hpp"
#include "../io/gguf_writer.hpp"

namespace bit_models {

using weightscope::loss_value;

// log of the first weight and the squares of all, in float: flips of float weights make it NaN, Inf, or nothing at all.
class fragile_model : public test_models::stored_weights<float>
{
public:
    explicit fragile_model(const std::vector<double>& w) { add("layers.0.weight", {w.size()}, w); }
    std::size_t batch_count() const { return 1; }
    loss_value loss(std::size_t)
    {
        float sum = std::log(values_[0][0]);
        for (const float w : values_[0])
            sum += w * w;
        return {static_cast<double>(sum), 1};
    }
    fragile_model replicate() const { return *this; }
};

// A quadratic with two figures besides its loss, and that can be told to throw.
class figured_model : public test_models::quadratic_model<float>
{
public:
    using quadratic_model::quadratic_model;
    std::vector<weightscope::metric_info> metrics() const { return {{"spread", false}, {"score", true}}; }
    void measure(std::size_t, std::span<loss_value> values)
    {
        double sum = 0;
        for (const double w : flat())
            sum += std::fabs(w);
        values[0] = {2 * sum, 2};
        values[1] = {-sum, 1};
    }
    loss_value loss(std::size_t batch)
    {
        if (losses_left > 0 && --losses_left == 0)
            throw std::runtime_error("out of paper");
        return quadratic_model::loss(batch);
    }
    figured_model replicate() const { return *this; }

    std::size_t losses_left = 0;
};

// A copy with one bit flipped, byte by byte.
template <class Model>
Model with_flip(Model model, std::size_t tensor, std::size_t flat, unsigned bit, std::size_t bytes)
{
    std::array<std::byte, 8> stored{};
    const auto weight = std::span(stored).first(bytes);
    model.read(tensor, flat * bytes, weight);
    weight[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    model.write(tensor, flat * bytes, weight);
    return model;
}

// A GGUF file of one tensor "a" in blocks: random codes, half floats from 0.5 on as scales and minima.
inline weightscope::model open_blocks(const files::temporary_folder& folder, std::string_view type_name, std::size_t blocks, std::uint64_t seed)
{
    const weightscope::ggml_type& type = *weightscope::find_ggml_type(type_name);
    weightscope::random_stream random(seed);
    std::string data(blocks * type.block_bytes, '\0');
    for (char& c : data)
        c = static_cast<char>(random.below(256));
    for (std::size_t b = 0; b < blocks; ++b)
        for (const auto& field : weightscope::detail::ggml_bit_fields(type.name))
            if (field.layout.bits == 16) {
                const auto place = weightscope::detail::ggml_field_places(type.name, field.name, 0).front();
                const std::string half = gguf_writer::bytes_of(weightscope::float16(0.5F + 0.25F * static_cast<float>(b)).bits);
                data.replace(b * type.block_bytes + place.byte, 2, half);
            }
    gguf_writer::file file;
    file.tensors.push_back({"a", {blocks * type.block_weights}, static_cast<std::uint32_t>(type.number), data});
    return weightscope::open_model(files::write(folder / (std::string(type_name) + ".gguf"), file.content()));
}

// Its weights, and one more that is 1.
inline std::vector<double> values_of_blocks(const weightscope::model& m)
{
    std::vector<double> values(m.tensors[0].size());
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = weightscope::value_with_bits_flipped(m.tensors[0], i, 0);
    values.push_back(1);
    return values;
}

// Runs `f` on all weights that depend on number `n` of a part, with the change that a flipped bit makes of each.
template <class F>
void for_each_change(const weightscope::named_tensor& tensor, const weightscope::bit_part& part, std::size_t n, unsigned bit, F&& f)
{
    for (std::size_t i = n * part.weights; i < (n + 1) * part.weights; ++i)
        f(i, weightscope::flip_change(tensor, i, bit, part.name));
}

}  // namespace bit_models
