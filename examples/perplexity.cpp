// How well does this language model predict my text?
//
//     $ perplexity "$DATA/trained_sample" "$DATA/trained_sample/held_out.npy"
//     ... tokens predicted: loss ..., perplexity ..., ... % right
//
// The second argument is a file of tokens (.npy), or a text, for which a tokenizer.json must lie beside the model.
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>

#include <fmt/format.h>

#include <weightscope/evaluators/open_transformer.hpp>
#include <weightscope/evaluators/read_tokens.hpp>
#include <weightscope/io/tokenizer.hpp>

namespace ws = weightscope;

int main(int count, char** arguments)
{
    if (count != 3) {
        fmt::print(stderr, "usage: perplexity MODEL TOKENS.npy|TEXT\n");
        return 2;
    }
    try {
        const std::filesystem::path model = arguments[1], data = arguments[2];
        const auto read_text = [&] {
            std::ifstream file(data, std::ios::binary);
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            return ws::cut_tokens(ws::read_tokenizer(model / "tokenizer.json").encode(text), 512);
        };
        auto t = ws::open_transformer(model, data.extension() == ".npy" ? ws::read_tokens(data) : read_text());
        ws::loss_value loss, right;
        for (std::size_t batch = 0; batch < t.batch_count(); ++batch) {
            ws::loss_value part;
            t.measure(batch, std::span(&part, 1));
            const ws::loss_value sum = t.loss(batch);
            loss.sum += sum.sum, loss.count += sum.count, right.sum += part.sum;
        }
        fmt::print("{:.0f} tokens predicted: loss {:.3f}, perplexity {:.2f}, {:.1f} % right\n", loss.count, loss.mean(),
                   std::exp(loss.mean()), 100 * right.sum / loss.count);
    } catch (const std::exception& e) {
        fmt::print(stderr, "perplexity: error: {}\n", e.what());
        return 3;
    }
}
