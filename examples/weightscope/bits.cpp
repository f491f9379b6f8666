#include "bits.hpp"

void add_bits(CLI::App& tool, command& chosen)
{
    CLI::App* bits = tool.add_subcommand("bits", "Which single bits of which weights break a model: maps them, chooses them, ranks them, flips them.");
    bits->require_subcommand(1);
    add_bits_map(*bits, chosen);
    add_bits_flip(*bits, chosen);
    add_bits_select(*bits, chosen);
    add_bits_rank(*bits, chosen);
}
