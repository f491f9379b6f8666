// Pairs of real models whose kinship is known, where WEIGHTSCOPE_TEST_MODELS names a folder that holds them.

#include <cstdlib>
#include <filesystem>
#include <string>

#include <weightscope/core/error.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/report/comparison_verdict.hpp>
#include <weightscope/study/model_comparison.hpp>

#include "../catch.hpp"

using namespace weightscope;

namespace {

// What the second one is to the first; "skipped" where one of them is not there, or no reader takes it.
std::string relation_of(const char* first, const char* second)
{
    const char* folder = std::getenv("WEIGHTSCOPE_TEST_MODELS");
    const auto skip = [&](const std::string& why) {
        WARN("skipped: " << first << " and " << second << ": " << why);
        return std::string("skipped");
    };
    if (folder == nullptr)
        return skip("WEIGHTSCOPE_TEST_MODELS names no folder");
    const std::filesystem::path root = folder;
    if (!std::filesystem::exists(root / first) || !std::filesystem::exists(root / second))
        return skip("not in the folder");
    try {
        const model a = open_model(root / first), b = open_model(root / second);
        return std::string(to_string(compare_models({.weights = &a}, {.weights = &b}).relation));
    } catch (const io_error& error) {
        return skip(error.what());
    }
}

bool is_or_skipped(const std::string& relation, const std::string& expected)
{
    INFO(relation);
    return relation == expected || relation == "skipped";
}

}  // namespace

TEST_CASE("16-bit copies of a LLaMA are casts of it and of each other")
{
    const char *wide = "derived__llama2xs-f32-with-tied-lm_head.safetensors", *half = "derived__llama2xs-f16.safetensors",
               *brain = "derived__llama2xs-bf16-sharded";
    CHECK(is_or_skipped(relation_of(wide, half), "dtype cast"));
    CHECK(is_or_skipped(relation_of(wide, brain), "dtype cast"));
    CHECK(is_or_skipped(relation_of(half, brain), "dtype cast"));
}

TEST_CASE("a LLaMA is found again in other formats, under the names that they use")
{
    const char* half = "derived__llama2xs-f16.safetensors";
    CHECK(is_or_skipped(relation_of("saltyduckegg__llama2xs.c__ckpt.pt", half), "dtype cast"));
    CHECK(is_or_skipped(relation_of("derived__llama2xs-f32.npz", half), "dtype cast"));
    CHECK(is_or_skipped(relation_of(half, "derived__llama2xs-mixed-q4_0-q4_1-q5_0-q5_1-q8_0.gguf"), "quantized copy"));
}

TEST_CASE("two LeNets of one shape from two trainings are unrelated")
{
    CHECK(is_or_skipped(relation_of("pytorch__captum__cifar_torchvision.pt", "fffasttime__MRFI__lenet_cifar10.pth"), "unrelated, same architecture"));
}

TEST_CASE("models of two architectures are different")
{
    CHECK(is_or_skipped(relation_of("JunSuzukiJapan__tl__reverse_model_v4.safetensors", "snakers4__silero-vad__silero_vad_16k.safetensors"),
                        "different models"));
}
