#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <weightscope/core/error.hpp>
#include <weightscope/io/hub_cache.hpp>
#include <weightscope/io/open_model.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

// Environment variables as they are wanted, all others of the hub unset; the old ones come back.
class environment
{
public:
    explicit environment(const std::map<std::string, std::string>& wanted)
    {
        for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
            const char* value = std::getenv(name);
            before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
            ::unsetenv(name);
        }
        for (const auto& [name, value] : wanted)
            ::setenv(name.c_str(), value.c_str(), 1);
    }
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    ~environment()
    {
        for (const auto& [name, value] : before_)
            value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }

private:
    std::map<std::string, std::optional<std::string>> before_;
};

std::filesystem::path cache_with(const std::map<std::string, std::string>& variables)
{
    const environment set(variables);
    return hub_cache();
}

}  // namespace

TEST_CASE("a hub id is one or two names of letters, digits, dots, dashes and underscores")
{
    CHECK(is_hub_id("openai/gpt2"));
    CHECK(is_hub_id("gpt2"));
    CHECK(is_hub_id("Qwen/Qwen2.5-0.5B_x"));
    for (const char* no : {"", "/", "a/", "/a", "a/b/c", "../a", "a/..", "./a", "a b/c", "a/b\\c", "-a/b", "a--b/c",
                           "models/x.safetensors", "model.safetensors", "model.gguf", "\xc3\xa4/b"})
        CHECK(!is_hub_id(no));
}

TEST_CASE("the hub cache is where the environment says")
{
    CHECK(cache_with({{"HF_HUB_CACHE", "/a"}, {"HUGGINGFACE_HUB_CACHE", "/b"}, {"HF_HOME", "/c"}}) == "/a");
    CHECK(cache_with({{"HUGGINGFACE_HUB_CACHE", "/b"}, {"HF_HOME", "/c"}, {"XDG_CACHE_HOME", "/d"}}) == "/b");
    CHECK(cache_with({{"HF_HOME", "/c"}, {"XDG_CACHE_HOME", "/d"}, {"HOME", "/e"}}) == "/c/hub");
    CHECK(cache_with({{"XDG_CACHE_HOME", "/d"}, {"HOME", "/e"}}) == "/d/huggingface/hub");
    CHECK(cache_with({{"HF_HOME", ""}, {"HOME", "/e"}}) == "/e/.cache/huggingface/hub");
    CHECK(cache_with({}).empty());
}

TEST_CASE("a hub id opens the snapshot that refs/main names")
{
    const files::temporary_folder folder;
    const auto repository = folder / "models--org--tiny";
    files::write(repository / "blobs/1234", files::one_tensor("old"));
    files::write(repository / "blobs/5678", files::one_tensor("new"));
    for (const auto& [revision, blob] : {std::pair{"aaaa", "1234"}, std::pair{"bbbb", "5678"}}) {
        std::filesystem::create_directories(repository / "snapshots" / revision);
        std::filesystem::create_symlink(std::filesystem::path("../../blobs") / blob,
                                        repository / "snapshots" / revision / "model.safetensors");
        files::write(repository / "snapshots" / revision / "config.json", R"({"model_type":"llama"})");
    }
    files::write(repository / "refs/main", "aaaa\n");

    const environment set({{"HF_HUB_CACHE", folder.path().string()}});
    const model m = open_model("org/tiny");
    CHECK(m.path == repository / "snapshots/aaaa");
    CHECK(m.architecture == "llama");
    REQUIRE(m.tensors.size() == 1);
    CHECK(m.tensors[0].name == "old");

    // without a usable ref the newest snapshot counts
    using namespace std::chrono_literals;
    const auto now = std::filesystem::file_time_type::clock::now();
    for (const char* ref : {"", "cccc", "../../elsewhere", ".."}) {
        files::write(repository / "refs/main", ref);
        std::filesystem::last_write_time(repository / "snapshots/aaaa", now - 1h);
        std::filesystem::last_write_time(repository / "snapshots/bbbb", now);
        CHECK(open_model("org/tiny").tensors.at(0).name == "new");
        std::filesystem::last_write_time(repository / "snapshots/aaaa", now + 1h);
        CHECK(open_model("org/tiny").tensors.at(0).name == "old");
    }

    // what exists as a path is a path
    files::write(folder / "models--gpt2/snapshots/1/model.safetensors", files::one_tensor("wte"));
    CHECK(open_model("gpt2").tensors.at(0).name == "wte");
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(
        files::write(folder / "work/gpt2/model.safetensors", files::one_tensor("mine")).parent_path().parent_path());
    CHECK(open_model("gpt2").tensors.at(0).name == "mine");
    std::filesystem::current_path(before);
}

TEST_CASE("a hub id that is not in the cache is answered with the command that downloads it")
{
    const files::temporary_folder folder;
    const environment set({{"HF_HOME", folder.path().string()}});
    const std::string hub = (folder / "hub").string();
    CHECK(message<io_error>([] { (void)open_model("org/none"); })
          == "org/none: no such file or folder, and no such model in the Hugging Face cache '" + hub
                 + "'; check the path, or run: hf download org/none");
    CHECK(message<io_error>([] { (void)open_model("none.safetensors"); })
          == "none.safetensors: no such file or folder; check the path");
    CHECK(message<io_error>([] { (void)open_model("a/b/none"); })
          == "a/b/none: no such file or folder; check the path");
    std::filesystem::create_directories(folder / "hub/models--org--none/snapshots");
    CHECK_THROWS_AS(open_model("org/none"), io_error);
    const environment nowhere({});
    CHECK(!find_in_hub_cache("org/none"));
}
